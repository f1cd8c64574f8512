"""Forms of sentences by which a message is told from a wish: regular expressions as data, in lower case.

Apostrophes are straight and spaces single by the time they are matched.
"""

from __future__ import annotations

from typing import Literal

Kind = Literal[
    "yes", "no", "stop", "resume", "start", "help", "files", "status", "runs", "reset", "undo", "ask_first",
    "ask_never", "greeting", "thanks", "compare", "what_if", "why", "wish",
]  # fmt: skip

MANNERS = (
    "please|kindly|hey|hi|hello|well|so|now|then|just|okay|ok|all ?right|right|oh|and|but|um|thanks|thank you|actually"
)
AFTERTHOUGHTS = "please|now|then|thanks|thank you|for me|if you can|if possible|again"
POLITE = (
    "(?:can|could|would|will) you(?: please| kindly| maybe| perhaps| just)?",
    "i(?: would|'d)? (?:like|want|need) you to",
    "i(?: would|'d) like to",
    "i want to",
    "let's|let us",
)
# An answer before a wish: "no, make it 8 MB".
ANSWERED = "yes|yep|yeah|no|nope|nah|sure|ok|okay|fine|right|wait|hold on|stop"

_IT = (
    "(?:it|this|that|everything|all|now|here|there|working|at once|immediately"
    "|(?:the|this|that|my) (?:run|job|search|work|optimi[sz]ation|process)"
    "|(?:the )?(?:(?:first|second|third|last|latest|previous) )?run(?: (?:number )?#?\\d{1,4})?)"
)
_THAT = "(?:it|this|that|the (?:plan|result|model))"

# Kind → what all of a message may be, without manners around it.
WHOLE: dict[Kind, tuple[str, ...]] = {
    "yes": (
        "y|yes|yep|yeah|yup|sure|sure thing|of course|ok|okay|k|fine|good|great|perfect|right|correct|agreed",
        "absolutely",
        "accept(?:ed)?|approved?|confirm(?:ed)?|definitely|by all means|why not|i agree",
        "go|go ahead|go for it|do it|do that|do so|proceed|deliver(?: it)?|ship it|(?:take|keep) it",
        "(?:that|this|it)(?:'s| is)? (?:right|correct|fine|ok|okay|good)|(?:sounds|looks) (?:good|right|fine|great)",
        f"(?:i )?(?:approve|accept|confirm)(?: {_THAT})?",
        "yes,? (?:please,? ?)?(?:do(?: it)?|go(?: ahead)?|start|please|that(?:'s| is) (?:right|fine|ok|good))",
    ),
    "no": (
        "n|no|nope|nah|not yet|not now|no way|never|don't|do not|no thanks|no,? thank you|rejected",
        f"(?:i )?(?:reject|refuse|decline|don't (?:like|want|accept|approve))(?: {_THAT})?",
        "(?:try )?another(?: (?:one|plan))?|something else|next|leave it|better not|wait|hold on",
        "no,? (?:don't|do not|not yet|wait|stop)|not (?:this|that|that one|this one|good enough)",
    ),
    "stop": (
        f"(?:stop|halt|abort|cancel|interrupt|pause|kill|quit|end)(?: {_IT})*",
        "(?:that(?:'s| is) )?enough|roll ?back|give up|i changed my mind|don't (?:go on|continue)",
        "stop (?:running|optimi[sz]ing|working|searching)",
    ),
    "resume": (
        f"(?:resume|continue|go on|carry on|keep going|proceed with|pick (?:it )?up)(?: {_IT}| with {_IT})*"
        "(?: (?:from )?where (?:it|you|we) (?:stopped|left off|were)| from there)?",
    ),
    "start": (
        f"(?:start|run|begin|launch|optimi[sz]e|go|fit|get going|kick (?:it )?off|rerun)(?: {_IT})*"
        "(?: again| once more)?",
        "(?:start|begin|run) (?:with (?:it|this|that)|(?:the )?(?:optimi[sz]ation|optimi[sz]ing|fitting))",
        "another run|(?:start )?a new run|start a new one",
    ),
    "help": (
        r"\?+|h|help(?: me)?|commands?|options|usage|instructions|what now|what next|who are you",
        "(?:what|how) can (?:i|you|we) (?:do|say|ask|use)(?: here| this| it| for me)?",
        "how (?:do|does|to|should|can) (?:(?:i|you|we|it|this|one) )*(?:use|work|works|start|begin)(?: this| it)?",
        "what (?:is|are) (?:this|you|shipfit)|what do(?:es)? (?:you|this|shipfit|it) do",
    ),
    "reset": (
        "(?:start|begin) (?:over|afresh|anew|fresh|from scratch|from the beginning)|reset|new request",
        "clear(?: (?:it|all|everything|the request))?|(?:scratch|never ?mind|forget) (?:all|everything)",
        "forget (?:all(?: of)? (?:it|that|this)|(?:the|my) (?:whole )?request)",
    ),
    "undo": (
        "undo(?: (?:it|that|this|the last (?:change|one)))?",
        "never ?mind(?: (?:that|it))?|(?:scratch|forget) (?:that|it)",
        "take (?:that|it) back|revert(?: (?:that|it))?|(?:go )?back(?: to (?:how|what) it was)?|as it was(?: before)?",
    ),
    "why": (
        "(?:can|could) you do (?:any )?better(?: than (?:that|this))?",
        "is (?:that|this|it) (?:the best|all)(?: you can do)?",
        "is (?:there )?(?:anything|nothing) better|try harder",
    ),
    "greeting": (
        "(?:hello|hi|hey|good (?:morning|afternoon|evening|day)|greetings)(?: there| shipfit| everyone)?",
    ),
    "thanks": (
        "(?:thanks|thank you|thx|cheers)(?: (?:a lot|so much|very much|for .{1,60}))?",
        "nice|well done|good job|awesome|cool|bye|goodbye|see you.{0,20}",
    ),
}  # fmt: skip

_PRODUCT = (
    "(?:files?|products?|reports?|results?|outputs?|downloads?|recipe|trail"
    "|(?:fitted|optimi[sz]ed|new|final|finished|smaller|fast(?:er)?|delivered) models?)"
)

# Kind → what may stand anywhere in a message, unless it is anchored. The first kind that is found holds.
FOUND: dict[Kind, tuple[str, ...]] = {
    "ask_never": (
        r"\b(?:don't|do not|no need to|never|without|stop) ask(?:ing)?(?: me| first| for approval)?",
        r"\bno (?:more )?(?:approvals?|questions)\b|\bdecide (?:it )?(?:for )?yourself\b",
    ),
    "ask_first": (
        r"\b(?:ask|check with|consult) me\b|^(?:with )?approvals?(?: on| first)?$",
        r"\b(?:let|have) me (?:approve|decide|confirm|see (?:it|the plan))\b",
        r"\b(?:with|needs?|wait for|await|get|require) my (?:approval|ok(?:ay)?|consent|permission)\b",
        r"^(?:approve|confirm|decide)\b.* (?:first|before|each|every)\b",
    ),
    "compare": (
        r"\b(?:compare|comparison|side by side|versus|vs)\b",
        r"\bdiffer(?:ence|ences|s)?\b.*\b(?:between|runs?|results?|two|both|them)\b",
        r"\bwhich\b.*\b(?:runs?|results?|one|of (?:the|them|these))\b.*\b(?:better|best|smaller|faster|worse)\b",
    ),
    "files": (
        "^(?:(?:show|list|give|get|send|open|save|fetch|see|view)(?: me)?(?: (?:all|my|the|a list of|links? to))* )?"
        f"(?:(?:the|my|all) )*{_PRODUCT}(?: (?:list|so far|here))?$",
        r"\bdownload\b|^(?:what|which) files\b",
        "^where(?:'s| is| are| do i find| can i (?:find|get))(?: (?:the|my|all))* "
        rf"(?:{_PRODUCT}|it|they)\b",
    ),
    "runs": (
        "^(?:(?:show|list|what are)(?: me)?(?: (?:all|my|the|earlier|past|previous))* )?(?:(?:earlier|past) )?runs$",
        "^history$|^what (?:did|have) (?:we|i|you) (?:run|tried?|done?)(?: so far)?$",
    ),
    "status": (
        "^(?:status|state|progress|summary|request|how far)$",
        "^how(?:'s| is) (?:it|that|the run|everything) (?:going|doing|coming along)$",
        "^how far (?:is it|are you|along(?: are you| is it)?)$|^where are (?:we|you)$",
        "^(?:are (?:you|we)|is it) (?:done|finished|ready|there|running)(?: yet)?$|^still (?:running|working)$",
        "^what(?:'s| is) (?:happening|going on|up|the status|running)$|^what are you (?:doing|working on)$",
        "^(?:show|repeat|tell)(?: me)? (?:(?:the|my) )?(?:request|status|progress|plan|settings|constraints|bounds)$",
        "^what (?:did|have|do) (?:you|i) (?:understand|understood|ask|asked)(?: for| so far)*$",
        "^what (?:stands|do you know)(?: so far)?$|^when (?:will|are|is) .{0,30}(?:done|finished|ready)$",
    ),
}  # fmt: skip

_MUCH = "(?:what|how much|how many \\w+)(?: (?:accuracy|quality|speed|size|memory|time))?"
_MAY = "(?:would|will|does|do|could|can|might)"
_POSSIBLE = "(?:possible|feasible|achievable|reachable|realistic|doable|within reach|in reach|too much)"

# Frames around what is only supposed; `what` is read as a wish. The more particular come first.
SUPPOSED = (
    f"{_MUCH} {_MAY} it (?:cost|take|mean) (?:if (?:it (?:were|was|had to be) )?"
    "|to (?:get|reach|have|make it|be|go|bring it|run)(?: (?:it|down|to|under|below))* ?)(?P<what>.+)",
    f"{_MUCH} {_MAY} (?:i|we|it|you) (?:lose|give up|sacrifice|pay|gain|save|cost|get|win|need)"
    "(?: (?:for|at|with|by|to get|to have|to reach|if)) (?P<what>.+)",
    f"{_MUCH} {_MAY} (?P<what>.+?) (?:cost|take|mean|give|bring|do|require|need|look like|entail|imply|save)"
    "(?: (?:me|us|in .*|of .*|then|for .*))?",
    "(?:what(?:'s| is| would be)|how (?:high|big|bad) (?:is|would be)) the (?:price|cost|loss|damage|penalty)"
    r"(?: in \w+)? (?:of|for|at|with|if) (?P<what>.+)",
    "what (?:happens|would happen|(?:would|could|can) (?:you|we|i|it) (?:do|find|get|say|offer|reach))"
    " (?:if|with|at|for|under|when) (?P<what>.+)",
    "(?:what|how) (?:if|about)(?: (?:i|we|you))?"
    "(?: (?:asked|ask|wanted|want|needed|need|said|set|took|take|allowed|allow|had|have)(?: for| to)?)? (?P<what>.+)",
    "(?:suppose|supposing|assume|assuming|imagine)(?: that)?(?: (?:i|we) (?:wanted|want|needed|asked for))?"
    " (?P<what>.+)",
    f"is it {_POSSIBLE}(?: to (?:get|reach|have|make it|go|be|bring it|stay|run))?(?: (?:down|to|it))* (?P<what>.+)",
    f"(?:is|are|would) (?P<what>.+?)(?: be)? {_POSSIBLE}(?: .*)?",
    "(?:could|can|would|might|may|will) (?:it|the model|that|this)(?: (?:also|even|still|ever))?"
    " (?:be|get|become|fit|run|go|reach|have|stay|shrink|keep|hold|meet|manage|be made|be brought|use|come)"
    "(?: (?:into|in|to|down to))? (?P<what>.+)",
    r"(?:could|can|would) (?:we|one|i) (?:\w+ )?(?:get|have|reach|make|bring|manage|do|go)"
    "(?: (?:away with|with|it|the model|down|to|by|as low as))* (?P<what>.+)",
)  # fmt: skip
# What may be left before the wish: "it had to run in 5 ms".
FRAME_LEFT = "(?:it|the model|that) (?:had|has|needs|needed|were|was|is|should|must|could)(?: to)?(?: be| run| fit)?"

WHY = (
    "why|how come|explain|tell me|give (?:me )?(?:a |the |your )?reasons?|any reason|reasons?|justify|describe"
)  # fmt: skip
INTERROGATIVE = (
    "how|what|which|when|where|who|is|are|was|were|did|does|has|had|"
    "isn't|wasn't|didn't|doesn't|do you|do we|do i|have you|have we"
)

# "Drop the size limit": `quantity` loses its bounds.
LIFTED = (
    "(?:forget|drop|lift|remove|ignore|skip|cancel|never ?mind|no|without|give up)(?: about)?(?: (?:the|any|my|all))*"
    " (?P<quantity>size|memory|latency|speed|throughput|accuracy|quality|fidelity)"
    "(?: (?:limit|bound|constraint|requirement|target|cap|budget)s?)?(?: (?:after all|again|altogether|entirely))?"
)  # fmt: skip
