"""For the better and for the worse."""

from __future__ import annotations

from ..lexicon import Concept
from .forms import pairs, verbs

_MOST = (
    "max|maximum|maximal|highest|best|top|greatest|highest possible|best possible|maximum of|maximum possible|utmost"
)
_FIRST = pairs(
    pairs(pairs("is", "my|our|the"), "only|main|top|biggest|number one|highest|primary|first|key|sole|real|big"),
    "concern|priority|goal|focus|worry|aim|objective|interest|criterion|requirement|thing",
)
_LEAST = "min|minimum|minimal|lowest|least|shortest|smallest|lowest possible|minimum of|minimum possible|tiniest"

CHANGES: dict[Concept, dict[str, str]] = {
    "direction": {
        "size-": (
            "smaller|lighter|more compact|compacter|slimmer|leaner|tinier|more small|more light|thinner|less big|"
            "less heavy|less large|reduced in size|littler|tighter|smaller than|lighter than"
        ),
        "size+": "bigger|larger|heavier|fatter|more big|more heavy|bigger than|larger than|heavier than",
        "speed+": (
            "faster|quicker|speedier|sooner|sooner than|more fast|more quick|snappier|"
            "swifter|more responsive|more speed|less slow|"
            "more rapid|shorter|rapider|less latent|more quickly|faster than|quicker than|"
            "shorter than"
        ),
        "speed-": (
            "slower|more slow|more slowly|longer|less fast|less quick|less quickly|laggier|slower than|longer than"
        ),
        "accuracy-": (
            "worse|less accurate|less precise|off|poorer|degraded|worsened|less good|inaccurate|less accurately|"
            "worse than"
        ),
        "accuracy+": "better|more accurate|more precise",
        "-": "less|lower|fewer|down|decreased|reduced|↓|⬇|↘",
        "+": "more|higher|up|increased|greater|extra|additional|raised|↑|⬆|↗",
    },
    "adjective": {
        "size-": "small|tiny|compact|light|lightweight|slim|lean",
        "size+": "big|large|heavy|huge|bulky|fat",
        "speed+": "fast|quick|quickly|snappy|rapid|speedy|responsive|swift|low latency",
        "speed-": "slow|sluggish|laggy|long",
        "accuracy+": "accurate|precise|high quality|correct|be right|is right|right in",
        "+": "high",
        "-": "low",
    },
    "change": {
        "*": "improve|improves|improving|improvement|improvements|improved|upgrade|enhance|better it",
        "-": (
            "reduce|reduces|reduced by|reducing|reduction|reductions|cut|cuts|cutting|lower it|decrease|decreases|"
            "decreasing|bring down|down to|bring it down|bring this down|brings down|take down|get down|get it down|"
            "gets down|goes down|go down|trim|trims|trimming|trimmed|shave|shave off|save|saves|saving|savings|"
            "knock off|slash|slashed|drop by|lessen|diminish|cutback|take off|lop|chop|shorten|get rid of|"
            "lose weight|squeeze down|scale down|push down|pull down|down by|lowering|lower by|lower the|knock|"
            "off the|gone|throw away|throws away|throw out|bring|brought down|minus|melt|drive down|strip down|"
            "lowers|lowered|lowering|"
            + verbs("lessen|diminish|chop|shed|pare|crop|strip|lop|curb|curtail|prune back|scale back|whittle down")
        ),
        "size-": (
            "shrink|shrinks|shrinking|shrunk|compress|compresses|compressed|compression|compressing|compact it|"
            "compression ratio|squeeze|squash|slim|slim down|squish|shrinkage|deflate|slimming|shrink down|"
            "miniaturize|miniaturise|compaction|downsize|downsized|downsizing"
        ),
        "+": (
            "increase|increases|increasing|boost|boosts|raise|raises|raising|grow|grows|growing|rise|rises|rising|"
            "go up|goes up|up by|gain|gains|enlarge|bump|climb|expand|balloon|swell|inflate|step up|boosted"
        ),
        "speed+": (
            "speed up|speeds up|speeding up|speed it up|speed this up|speed the model up|accelerate|accelerates|"
            "accelerated|speed things up|speeding it up|speeding this up|hurry up|speed up this|quicken|"
            "make haste|speed that up"
        ),
        "speed-": (
            "slow down|slows down|slow it down|slowdown|slowing down|slowing it down|slowing this down|"
            "slow this down|"
            "slows it down|slowing the model down|slow the model down|slowing things down|slow things down"
        ),
    },
    "named": {"": "compressed|reduced|shrunk|trimmed|optimized|optimised|slimmed|downsized|shrunken"},
    "loss": {
        "noun": (
            "loss|losses|tolerance|slack|leeway|degradation|deterioration|drops|accuracy drop|decline|worsening|"
            "penalty|hit on|regression|sacrifice|dip|decay|deviation|quality loss|accuracy loss|quality drop|impact|"
            "accuracy hit|dacc|δacc|δaccuracy|δ accuracy|delta acc|delta accuracy|acc delta|accuracy delta|"
            "δ acc|quality hit|hit in|hit to|accuracy penalty|quality penalty|degrade of|erosion|damage|"
            "difference|performance loss"
        ),
        "verb": (
            "lose|loses|losing|lost|loosing|loose|give up|giving up|degrade|degrades|degrading|deteriorate|fall|"
            "falls|falling|sacrificing|worsen|worsens|suffer|suffers|suffering|decline by|dropping|dropped|give away|"
            "compromise|compromising|get worse|gets worse|getting worse|become worse|becomes worse|sink|slip|sinks|"
            "slips|part with|decreases by|decreased by|concede|shave from|harm|harming|hurt|hurting|hurts|"
            "can lose|willing to lose|can suffer|may suffer|might suffer|trade|trading|degrading by|affect|"
            "affecting|touch|touching|change|changing|alter|"
            "altering|mess up|mess with|ruin|"
            "ruining|break|breaking|spoil|spoiling|"
            + verbs(
                "regress|decline|dip|slide|sag|erode|tumble|deteriorate|worsen|sink|slip|budge|plummet|"
                "relinquish|forfeit|"
                "forgo|surrender|wreck|destroy|impair|jeopardize|jeopardise|endanger|butcher|deviate|differ|"
                "stray|yield up|trade in|waste"
            )
            + "|fell|fallen|sank|sunk|go down by|goes down by"
        ),
        "drop": "drop",
    },
    "losing": {
        "": (
            "lose|loose|losing|loosing|loses|lost|can lose|willing to lose|get worse|gets worse|"
            + verbs("degrade|worsen|deteriorate|regress")
        ),
    },
    "keep": {
        "verb": (
            "keep|stay put|stays put|stay|stays|leave|remain|remains|retain|maintain|preserve|stick to|staying|"
            "keeping|hold|keeps|"
            "preserving|maintaining|retaining|stick with|survive|survives|persist|persists|be left|"
            "that still has|that still gets|that still gives|that still delivers|that still makes|which still has|"
            "which still gets|which still gives"
        ),
        "pace": (
            "beat that|match that|top that|equal that|keep up|"
            "keep pace|keep up with|keep pace with|keeping up|keeping pace"
        ),
        "state": (
            "unchanged|unaltered|untouched|same|identical|equal|the same|constant|intact|preserved|retained|"
            "maintained|sacred|untouchable|non negotiable|nonnegotiable|sacrosanct|set in stone|where it is|"
            "where it is now|where they are|flat|level|just as|as is|"
            "equally good|as good as|at least as good as|at least as good|at least the same"
        ),
    },
    "lossless": {
        "": (
            "lossless|losslessly|no loss|without loss|no losses|zero loss|without any loss|loss free|lossfree|"
            "no degradation|without degradation|no quality loss|no accuracy loss|without quality loss|"
            "without accuracy loss|no regression in accuracy|zero accuracy loss|no drop in accuracy|no accuracy drop|"
            "zero quality loss|no loss in accuracy|no loss of accuracy|no loss in quality|no loss of quality|"
            "without loss of accuracy|without loss of quality|without loss in accuracy|without loss in quality|"
            "without any loss of accuracy|without any loss of quality|without any accuracy loss|"
            "without any quality loss|without a loss in accuracy|without a loss of accuracy|no quality drop|"
            "no loss whatsoever|no accuracy degradation|without accuracy degradation|no performance loss|"
            "without performance loss|zero drop|no drop"
        ),
    },
    "too": {"": "too|way too|far too|much too"},
    "as": {"": "as|so"},
    "so": {"": "so"},
    "possible": {
        "": (
            "as much as you can|as much as possible|as much as it gets|as far as you can|as far as possible|"
            "as possible|as you can|as can be|as you possibly can|as it can be|as it gets|as it can|"
            "as it will go|"
            "as technically possible|as feasible|as we can|as humanly possible|possible|as you can get it|"
            "as you can make it|like possible|how possible|as it goes|as you are able|as they come|as is possible|"
            "as we can get it|as you can get|as you dare|as hell"
        ),
    },
    "bare_possible": {"": "possible"},
    "superlative": {
        "size": (
            "how small can|how small could|how tiny can|smallest|tiniest|lightest|minimum size|minimal size|"
            "min size|smallest possible|the most compact|"
            "most compact|minimal footprint|as small as it gets|smallest size|leanest|littlest|slimmest|"
            "smallest file|" + pairs(_LEAST, "size|footprint on disk|file size|model size|file|download|binary")
        ),
        "latency": (
            "how fast can|how fast could|how quick can|fastest|quickest|maximum speed|max speed|top speed|"
            "lowest latency|minimum latency|minimal latency|"
            "min latency|as fast as it gets|full speed|highest throughput|maximum throughput|highest speed|"
            "best speed|best performance|shortest|as quick as it gets|best latency|lowest possible latency|"
            "snappiest|highest fps|speediest|fastest possible|quickest possible|"
            + pairs(_MOST, "speed|velocity|throughput|performance|pace|frame rate")
            + "|"
            + pairs(_LEAST, "latency|delay|lag|response time|inference time|run time|runtime|execution time")
        ),
        "accuracy": (
            "best quality|highest accuracy|best accuracy|highest quality|maximum accuracy|most accurate|"
            "maximum quality|best possible quality|best possible accuracy|highest possible accuracy|max accuracy|"
            "max quality|top quality|most precise|finest quality|highest fidelity|best fidelity|"
            "highest possible quality|top accuracy|" + pairs(_MOST, "accuracy|quality|precision|fidelity|score")
        ),
        "balanced": (
            "balanced|best balance|good balance|balance of|best compromise|good compromise|best trade off|"
            "good trade off|best tradeoff|good tradeoff|balance between|a balance|compromise between|"
            "trade off between|best overall|best all round|sweet spot|well balanced|balance|matter equally|"
            "equally important|"
            "are equally important|matter the same|count equally"
        ),
        "-": (
            "minimize|minimise|minimizing|minimising|minimal possible|lowest|least|minimum possible|lowest possible|"
            "least possible|minimized|minimised"
        ),
        "+": (
            "maximize|maximise|maximizing|maximising|highest|maximum possible|highest possible|best possible|optimal|"
            "maximized|maximised|best|most"
        ),
    },
    "priority": {
        "before": (
            "prioritize|prioritise|focus on|optimize for|optimise for|priority is|the priority is|emphasis on|go for|"
            "tuned for|favor|favour|most important is|most important thing is|care most about|"
            "care mostly about|care mainly about|mostly care about|care about|"
            "what counts is|what matters is|all that matters is|only care about|care only about|i only care about|"
            "optimizing for|optimising for|prefer|concentrate on|all about|main goal is|main thing is|important is|"
            "objective is|tune for|optimised for|optimized for|optimize it for|optimise it for|optimize this for|"
            "goal is maximum|optimize|optimise|optimizing|objective|priority|it is all about|biggest concern is|"
            "main concern is|top concern is|main focus is|focus is"
        ),
        "after": (
            "first|matters most|is most important|is the most important|is the priority|is my priority|"
            "is top priority|is the top priority|is important|is key|above all|above all else|is everything|"
            "comes first|counts most|is more important|matters more|is what matters|is the most important thing|"
            "over everything|matters|is paramount|is essential|is crucial|is critical|is what counts|is our priority|"
            "is all that matters|has priority|before everything|is number one|is our top priority|counts|most of all|"
            "is what matters most|is what counts most|is what matters to me|is the main thing|"
            "is what i care about|is vital|is the main concern|is our main concern|is my main concern|"
            "is the biggest concern|"
            "is my top priority|is my highest priority|is our highest priority|is the highest priority|"
            "is my main priority|"
            "is our main priority|is the number one priority|is our number one priority|is my number one priority|"
            "is the only thing that matters|is the only thing that counts|is the only thing i care about|"
            "above everything else|above everything|above anything else|before anything else|before all else|"
            "over anything else|over everything else|above all others|comes before everything|"
            "comes before anything else|"
            "is the top concern|is the main goal|is the main point|is the focus|is the main priority|" + _FIRST
        ),
    },
    "over": {"": "over|before"},
    "mild": {
        "": (
            "much|little|minimal|significant|noticeable|negligible|slight|slightly|"
            "small|minor|a bit|tiny bit|tiny|marginal|a tad|a hair"
        ),
    },
    "vague": {
        "": (
            "much|little|minimal|significant|significantly|noticeable|noticeably|negligible|slight|slightly|too much|"
            "a lot|a bit|somewhat|hardly|barely|few|tiny bit|bit of|minor|substantial|substantially|considerable|"
            "considerably|reasonable|reasonably|acceptable amount|some|several|a few|too many|many|severe|severely|"
            "big|major|massive|drastic|drastically|dramatically|large|small|visible|visibly|serious|seriously|"
            "measurable|low|high|good|decent|sane|in check|under control|very|as much|imperceptible|unnoticeable|"
            "invisible|inaudible|imperceptibly|marginal|marginally"
        ),
    },
}
