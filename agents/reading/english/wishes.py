"""What is refused, allowed, corrected or joined."""

from __future__ import annotations

from ..lexicon import Concept

# Verdicts that refuse at the same time.
_REFUSING = (
    "can't use|cannot use|can't be used|can't ship|cannot ship|can't deploy|cannot deploy|"
    "can't release|can't sell|won't ship|won't deploy|can't go live|can't have that|can't live with|"
    "won't work|won't fit|doesn't fit|does not fit|won't run|won't load|doesn't work|does not work|"
    "won't cut it|doesn't cut it|can't accept|won't accept|cannot accept|will not accept|won't pass|"
    "never pass|won't be accepted|won't be approved|not be approved|can't approve|won't approve"
)

WISHES: dict[Concept, dict[str, str]] = {
    "negation": {
        "denies": "doesn't|does not|isn't|is not|aren't|ain't",
        "": (
            "!|ditch|dump|hasn't|haven't|has not|have not|hasn't got|haven't got|no longer|not a byte|"
            "not one byte|not a single byte|not a millisecond|not a kilobyte|"
            "not a megabyte|not a second|not a microsecond|not one kilobyte|not one megabyte|"
            "not one millisecond|not|"
            "no|never|"
            "needn't|need not|dont|don't|do not|cannot|can't|cant|must not|mustn't|shouldn't|"
            "should not|won't|without|"
            "avoid|avoiding|neither|nor|none|nothing|w/o|wo|refrain from|stop|"
            "may not|skip|leave out|rule out|exclude|excluding|forbid|disallow|ban|stay away from|"
            "stay clear of|keep clear of|clear of|keep off|stay off|allergic to|opposed to|hate|distrust|"
            "wary of|not a fan of|lack|lacks|lacking|fed up with|burned by|burnt by|keep your hands off|"
            "give a miss|free of|zero|non|"
            "no more|anything but|keep away from|hands off|steer clear of|under no circumstances|omit|disable|"
            "turn off|switch off|prohibit|minus any|not any|won't accept|will not accept|can't accept|"
            "cannot accept|couldn't|wouldn't|nor any|without any|nobody|veto|"
            "hold off on|leave off|do without|without using|don't want|do not want|don't use|do not use|not use|"
            "no use of|keep out|sans|" + _REFUSING
        ),
    },
    "no": {"": "no|nope|nah"},
    "nothing": {"": "nothing"},
    "refused": {
        "": (
            "a no no|no no|a non starter|non starter|a nonstarter|nonstarter|"
            "is missing|are missing|not available|unavailable|not supported|unsupported|"
            "isn't supported|"
            "is not supported|aren't supported|are not supported|false|not allowed|is not allowed|"
            "are not allowed|not permitted|forbidden|is forbidden|are forbidden|is out|"
            "not an option|is off the table|off the table|disabled|isn't allowed|not acceptable|is not acceptable|"
            "unacceptable|is banned|banned|prohibited|is prohibited|not wanted|not okay|not ok|is not ok|is a no go|"
            "a no go|no go|isn't an option|is not an option|off limits|ruled out|is ruled out|excluded|a problem|"
            "is a problem|too much|too far|is too far|going too far|is going too far|goes too far|a step too far|"
            "is a step too far|would be too far|useless|is useless|"
            "won't work|will not work|doesn't work|does not work|no good|"
            "won't do|won't fly|rejected|will be rejected|gets rejected|fails|is a fail|a deal breaker|a dealbreaker|"
            "dealbreaker|deal breaker|a show stopper|showstopper|is unacceptable|would be unacceptable|"
            "won't sign off|won't accept|won't pass|"
            "will not accept|will not pass|is refused|can't be used|"
            "cannot be used|is not permitted|are prohibited|are banned|not tolerated|not tolerable|intolerable|"
            "no use|of no use|isn't acceptable|are out|must be avoided|should be avoided|not desired|breaks the deal|"
            "are off|is off|from consideration|out of consideration|out of it|out of this|out of the picture|"
            "out of the mix|out of the question|off the menu|off the list"
        ),
    },
    "indifferent": {
        "swap": "trade|give up|give away|trade in|swap|exchange",
        "before": (
            "don't care about|do not care about|don't care how|don't care|do not care|doesn't matter how|don't mind|"
            "do not mind|not worried about|regardless of|no matter|whatever|any size or|irrespective of|never mind|"
            "nevermind|not concerned about|don't worry about|no limit on|no limits on|without regard to|"
            "not interested in|i could care less about|couldn't care less about|no need to worry about|unlimited|"
            "nobody cares about|no one cares about|who cares about|"
            "at any|at the expense of|at the cost of|forget about|not care about|no constraint on|no restriction on|"
            "no constraints on|no restrictions on|no requirement on|no requirements on|no bound on|not fussed about|"
            "sacrifice|sacrifice any amount of|trade away|not bothered about|not bothered by|no concern about|"
            "no requirements for|"
            "no requirement for|no limit for|not fussy about|ignore|disregard|ignore the|disregard the|"
            "never mind the|nevermind the|forget about the|let it hog|let it eat|may hog|can hog|"
            "may eat|can eat|indifferent to|relaxed about|plenty of|"
            "tons of|loads of|heaps of|oodles of|no shortage of|ample|to hell with|screw the|damn the|lots of|"
            "any amount of|however much|don't bother about|don't bother with"
        ),
        "after": (
            "doesn't matter|does not count|do not count|don't count|"
            "does not matter|do not matter|don't matter|is not important|not important|is irrelevant|"
            "irrelevant|isn't important|is no concern|is not a concern|isn't a concern|not a concern|no concern|"
            "is not an issue|isn't an issue|not an issue|is no issue|no issue|is no problem|no problem|unimportant|"
            "is not a problem|isn't a problem|not a problem|is secondary|secondary|can be whatever|is whatever|"
            "is unlimited|is plentiful|is of no concern|of no concern|is of no importance|of no importance|"
            "are irrelevant|are not important|aren't important|is not critical|isn't critical|not critical|"
            "is not relevant|not relevant|can be anything|makes no difference|is up to you|is free|plays no role|"
            "is cheap|are cheap|no object|is no object|doesn't count|is not a constraint|isn't a constraint|"
            "not a constraint|are no concern|is not a factor|is not limited|isn't limited|not limited|unconstrained|"
            "is unconstrained|don't care|whatever|are secondary|is not a priority|isn't a priority|no priority|"
            "matters little|matters less|is less important|is negotiable|immaterial|is immaterial|"
            "is not so important|isn't so important|doesn't really matter|does not really matter|"
            "is not really important|isn't really important|is a non issue|non issue|doesn't matter that much|"
            "doesn't matter much|doesn't matter at all|is not a big deal|no big deal|isn't a big deal|not a big deal|"
            "can suffer|may suffer|might suffer|won't bother me|do not bother me|is not crucial|isn't crucial|"
            "be damned|be hanged|costs us nothing|costs nothing|doesn't bother me|doesn't bother us|"
            "does not bother us|does not bother me|won't bother us|"
            "wouldn't bother me|"
            "wouldn't bother us|wouldn't bother anyone|won't bother anyone|is all one to me|is all one to us|"
            "is all the same to me|is all the same to us|couldn't care less|could not care less|could care less|"
            "is anyone's guess|is your call|is neither here nor there|is beside the point|can go hang|"
            "is not the point|"
            "is not at issue|is not our problem|is not my problem"
        ),
    },
    "mattering": {
        "": "matter|matters|count|counts|important|relevant|is important|are important|is relevant|interests me"
    },
    "unsaid": {
        "": (
            "never said|did not say|didn't say|nobody said|no one said|never asked|did not ask|didn't ask|"
            "nobody asked|"
            "not saying|not asking|i thought|we thought|never wanted|never told|didn't mean|did not mean"
        ),
    },
    "sacrificing": {
        "": "at the expense of|at the cost of|sacrifice|trade away|trade|trade in|give up|give away|at any cost to"
    },
    "fine": {
        "": (
            "thrilled with|delighted with|pleased with|satisfied with|content with|over the moon with|"
            "be thrilled|be delighted|"
            "would delight|would thrill|overjoyed with|as it likes|as it wants|as it pleases|as they like|true|"
            "wouldn't mind|would not mind|don't mind|"
            "do not mind|fine with|ok with|okay with|comfortable with|"
            "alright with|cool with|however you like|if you like|as you like|if you want|as you want|go ahead|"
            "how you like|as you see fit|ok|okay|is ok|is okay|is fine|are fine|fine|acceptable|is acceptable|"
            "are acceptable|tolerable|is allowed|are allowed|is tolerable|is alright|alright|all right|tolerate|"
            "accept|can live with|could live with|live with|can afford|could afford|afford|would be fine|would be ok|"
            "is good|permitted|is permitted|be fine|be ok|be okay|be acceptable|can tolerate|i accept|"
            "no objection to|happy with|is accepted|accepted|put up with|good enough|is good enough|manageable|"
            "bearable|do fine|will do|would do|can take|can stand|can lose|can stomach|welcome|totally fine|"
            "perfectly fine|can accept|can cope with|cope with|won't hurt|doable|willing to lose|forgivable|tolerated"
        ),
    },
    "modal": {
        "": (
            "allow|allows|allowing|may|can|could|might|free to|allowed to|let|is allowed to|are allowed to|"
            "permitted to|able to|willing to|feel free to"
        ),
    },
    "lever": {
        "pruning": (
            "pruning|prune|pruned|prunes|sparsity|sparsify|sparse|sparsification|weight pruning|channel pruning|"
            "structured pruning|prunning|sparse weights|magnitude pruning|zeroing weights|prune weights|"
            "removing channels|remove channels|drop channels|remove any channels|remove weights|remove any weights|"
            "removing weights|drop weights|drop any weights|drop any channels|remove neurons|remove filters|"
            "remove any neurons|remove any filters|cut channels|cut away channels|cut weights|throw away weights"
        ),
        "quantization": (
            "quantization|quantize|quantized|quantise|quantisation|quantizing|quantising|quantised|quantizes|"
            "quantification|quants|quant|quantizations|quantification of weights"
        ),
        "int8": (
            "int8|i8|int 8|uint8|eight bit|int8 quantization|int8 quantisation|int8 weights|eight bits|"
            "quantize to int8|int8s"
        ),
        "int4": (
            "int4|i4|int 4|four bit|uint4|int4 quantization|int4 quantisation|four bits|int4 weights|"
            "quantize to int4|int4s|nibbles|nf4"
        ),
        "fp16": (
            "fp16|float16|half precision|f16|half floats|fp 16|float 16|sixteen bit|16 bit floats|half float|"
            "16 bit floating point|bf16|bfloat16|halffloat|fp16 weights"
        ),
        "fp32": (
            "fp32|float32|full precision|f32|single precision|fp 32|float 32|full floats|32 bit floats|floats|"
            "floating point|original precision|full float|floats only"
        ),
    },
    "unlevered": {
        "quantization": "unquantized|unquantised|non quantized|not quantized|not quantised",
        "pruning": "unpruned|dense|dense weights|non pruned|not pruned",
    },
    "and": {
        "": (
            "subject to|such that|conditional on|constrained to|constrained by|and|&|plus|as well as|also|"
            "along with|together with|then|with|nor|additionally|while keeping|and also|"
            "besides"
        ),
    },
    "out": {"": "out", "off": "off|away|off of"},
    "or": {"": "or|and or"},
    "but": {
        "else": "otherwise|or else",
        "": (
            "but|however|though|although|yet|while|whereas|because|since|so that|whilst|even though|"
            "even if|in return|in exchange|that said|except|except for|apart from|aside from|other than|when|"
            "then again|which|who|where"
        ),
    },
    "provided": {
        "": (
            "as long as|so long as|provided|provided that|on condition that|if only|on the condition that|providing|"
            "assuming|just keep|as far as"
        ),
    },
    "verdict": {
        "": (
            "complain|complains|reject|rejects|rejected|block|blocks|blocked|kill|kills|killed|crash|crashes|"
            "crashed|timeout|times out|time out|stutter|stutters|choppy|no point|pointless|worthless|useless|"
            "unusable|not worth|isn't worth|is not worth|refuse|refuses|bounces|kicked out|fail|fails|failed|"
            "disqualified|disqualify|disqualifies|unhappy|angry|furious|annoyed|annoying|no good|"
            "not good enough|isn't good enough|not interested|forget it|don't bother|no deal|no thanks|"
            "thrown out|throw it out|sent back|send it back|trouble|in trouble|a disaster|disaster|"
            "annoys|upsets|irritates|frustrates|infuriates|bugs|drives users away|drives people away|"
            "would hurt|would hurt us|would sting|unacceptable|out of memory|oom|lose customers|lose users|"
            "users leave|give up on it|turns it down|"
            "turned down|veto|vetoes|hitches|lags|is dead|we're dead|we are dead|breaks|breaks down|is broken|"
            "trips|alarm|alarms|alert fires|is over|all bets are off|walk away|walks away|stays on the shelf|"
            "is wasted|starts swapping|swaps|it's out|it is out|it's no good|is off|it's off"
            "|" + _REFUSING
        ),
    },
    "if": {
        "": "if|in case|once|should it|should the model|should this|whenever|as soon as|if ever|the moment",
        "not": "unless|if not",
    },
    "except": {"": "except|except for|apart from|aside from|other than"},
    "why": {"": "why|how come"},
    "choice": {"": "either|whichever|one of these|one of the two|one of the following"},
    "instead": {"": "instead of|rather than|in place of|as opposed to|in lieu of"},
    "correct": {
        "": (
            "sorry|actually|correction|i mean|i meant|make that|no make that|wait|wait no|no wait|no sorry|sorry no|"
            "or rather|rather|better make it|on second thought|on second thoughts|on reflection|instead|let's say|"
            "let us say|edit|typo|hmm no|my mistake|my bad|oops|no make it|or let's say|i meant to say|to be precise|"
            "correcting myself|what the heck|what the hell|let me be generous|let me be strict|screw it|"
            "come to that|make it rather|or let's say rather|let's make that|let's make it|pardon|"
            "come to think of it|thinking about it|excuse me|er|erm|uh no|rephrase|"
            "change that to|changed to|change it to|strike that make it|or actually|well actually|no actually|"
            "no actually make it|apologies|better|or better|make it|nah|nope|no no|amend|amended to|revised to|"
            "update|final answer|i take that back|let me correct that|should read"
        ),
    },
    "retract": {
        "": (
            "scratch that|forget that|strike that|cancel that|scrap that|ignore that|delete that|forget what i wrote|"
            "forget what i said|disregard that|never mind that|nevermind that|undo that|scratch|drop that|scratch it|"
            "forget what|scrap"
        ),
        "the": (
            "forget the|forget about the|ignore the|disregard the|scrap the|replace the|never mind the|nevermind the"
        ),
    },
    "hedge": {
        "": (
            "ideally|preferably|if possible|if you can|if feasible|even better|would be nice|would be great|"
            "nice to have|perfect would be|optimally|best case|in the best case|stretch goal|dream|in an ideal world|"
            "if at all possible|bonus|bonus points|hopefully|if it works|would be even better|would be better|"
            "would be ideal|would be perfect|would be even nicer|or even|maybe even|perhaps even|even"
        ),
    },
    "wished": {
        "": (
            "real time|realtime|bit exact|bit identical|high accuracy|low memory|interactive|low power|"
            "energy efficient|battery|energy|power consumption|power|cost|sound the same|reasonable time"
        ),
    },
    "everything": {"": "everything|all|both|each"},
    "talk": {
        "": (
            "sent from|typed on|written on|writing from|writing this on|typing this on|answering from|"
            "discussed|talked|called|call me|spoke|call|told|ring|reach me|by|phone call|on the phone with|"
            "conversation"
        ),
    },
}
