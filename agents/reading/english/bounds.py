"""How bounds are set: comparators, amounts that are left or taken, what is told of the present."""

from __future__ import annotations

from ..lexicon import Concept

BOUNDS: dict[Concept, dict[str, str]] = {
    "upper": {
        "": (
            "under|below|beneath|less than|lower than|fewer than|no more than|not more than|at most|at maximum|max|"
            "maximum|maximal|maximally|up to|stay under|cap|capped|cap at|limit|limited|limit of|ceiling|fits in|"
            "fit in|fit into|fits into|fitting in|fit within|fit inside|fits inside|fits within|squeeze into|"
            "not over|not above|no greater than|not greater than|upper bound|upper limit|not to exceed|less of|"
            "never more than|smaller than|lighter than|faster than|quicker than|shorter than|tops|or less|or under|"
            "or below|or lower|or smaller|or faster|or fewer|or better|budget|budget of|anything up to|as much as|"
            "as little as|maximum of|max of|a maximum of|no larger than|no bigger than|not larger than|"
            "not bigger than|no heavier than|no longer than|not longer than|no slower than|not slower than|"
            "inferior to|less then|lower then|smaller then|not exceeding|without exceeding|no more then|"
            "not more then|allowance|at the most|at worst|at the very most|less or equal|less or equal to|"
            "less than or equal to|lte|lt|comes in under|south of|shy of|not beyond|not past|sub|"
            "no higher than|not more of|no more of|not more as|no more as|less as|or so max|"
            "not higher than|at the maximum|squeeze it into|fit it into|fit it in|fit this in|"
            "fit this into|maxes out at|topping out at|not surpass|nothing above|nothing over|nothing more than|"
            "largest acceptable|highest acceptable|maximum acceptable|longest acceptable|biggest acceptable|"
            "slowest acceptable|largest allowed|highest allowed|maximal acceptable|"
            "upper bounded by|bounded by|maximum allowed|max allowed|stays under|room for|not surpassing|limits|"
            "less that|no more that|maximum is|at max|lower or equal to|no worse than"
        ),
        "mark": "<|<=|≤|=<",
        "within": "within|inside|off by at most|to within",
    },
    "lower": {
        "": (
            "at least|minimum|minimal|min|at minimum|at the least|no less than|not less than|or more|or higher|"
            "or above|or greater|greater than|more than|above|over|exceed|exceeds|exceeding|exceeded|beyond|"
            "larger than|bigger than|heavier than|longer than|slower than|higher than|not below|"
            "not under|floor|no lower than|not lower than|no fewer than|upwards of|a minimum of|minimum of|min of|"
            "north of|greater or equal|greater or equal to|greater than or equal to|lower bound|lower limit|"
            "never below|never under|surpass|surpasses|past|superior to|gte|gt|more then|higher then|"
            "not smaller than|at the very least|threshold|nothing below|nothing under|minimum required|or bigger|"
            "over and above|in excess of|minima|mini|no smaller than|not worse than|top|go over|goes over|go above|"
            "worst acceptable|lowest acceptable|minimum acceptable|lowest allowed|minimal acceptable|minimum allowed|"
            "goes above|not less of|no less of|not less as|no less as"
        ),
        "better": "better than",
        "mark": ">|>=|≥|=>",
    },
    "only": {"": "only|just|exclusively|nothing but|solely|simply|purely"},
    "not_worse": {
        "size": "no bigger than|not bigger than|no larger than|not larger than|no heavier than",
        "speed": "no slower than|not slower than|no longer than|not longer than",
        "accuracy": "no worse than|not worse than|no less accurate than|not less accurate than",
    },
    "not_under": {"": "not below|not under|never below|never under|no lower than|not lower than|no less than"},
    "approximate": {
        "": "around|about|roughly|approximately|approx|circa|ca|~|≈|nearly|almost|some|more or less|close to|near|"
        "or more less|more less|or more or less|or so",
    },
    "goal": {
        "needs": "needs|requires",
        "": (
            "goal|aim|sla|slo|kpi|spec|specification|target of|target is|need|needed|want|wants|wanted|must|"
            "should|shall|has to|have to|needs to|require|required|requirement|wish|would like|please|"
            "i'd like|we'd like|i'd love|we'd love|i would love|we would love|get to|get it to|make it|"
            "bring it to|has got to|gotta|ought to|needing|must be|should be|expect|expects|"
            "expected|aiming|aim for|aiming for|hit|reach|achieve|deliver|looking for|asks for|ask for|goal is|wanna|"
            "hoping for|agreed on|allowed|=|desired|demand|demands|shooting for|hitting"
        ),
    },
    "between": {"": "between|anywhere between|somewhere between|ranging from|in the range|in the range of|range"},
    "from": {"": "from"},
    "to": {"": "to|down to|→|⇒|into|onto|till|until"},
    "by": {"": "by"},
    "of": {"": "of|in|for"},
    "is": {"": "is|it's|are|be|that's|its|gets|got"},
    "reference": {
        "": (
            "original|originally|baseline|base line|current one|today's|what it is now|what it is today|what it is|"
            "than now|than today|than before|than it is|than it is now|than currently|than current|than the original|"
            "as now|as it is now|as today|as before|as it is|of now|of today|compared to|compared with|relative to|"
            "versus|vs|than the baseline|what it was|what we have|the present|existing|current|today's value|initial|"
            "starting|of the original|as the original|than original|than at present|than right now|at present|"
            "than present|than what we have|what we have now|than it was|than is now|as it was|as large as now|"
            "full size|reference"
        ),
    },
    "present": {
        "": (
            "currently|now|today|right now|at the moment|was|were|used to be|presently|at present|nowadays|"
            "these days|so far|as of now|as of today|it is at|we are at|we're at|sits at|weighs|weighs in at|"
            "comes in at|current|clocks in at|measures|has been|stands at|before|previously|originally|yesterday|"
            "already|used to take|we have now|takes now|at this point|takes|takes up|took|occupies|is using|"
            "is taking|consumes|uses"
        ),
    },
    "past": {
        "": (
            "was|were|used to|used to be|had been|went|grew|rose|jumped|ballooned|regressed|has grown|has gone|"
            "ran|ran at|"
            "ran in|finished in|came in at|clocked in at|weighed|got us|got me|gave us|gave me|produced|ended up at|"
            "came out at|reached|achieved|delivered|yielded|managed|turned out|shipped|we had|it had|last time|"
            "removed|saved|we measured|i measured|we benchmarked|i benchmarked|last week|last month|last quarter|"
            "last year|"
            "last release"
        ),
    },
    "costs": {"": "cost|costing", "told": "costs"},
    "lost": {"": "lost|dropped|cost us|cost me"},
    "saving": {
        "": "over budget|over the budget|over the limit|above budget|save|saves|saving|shave|shave off|knock|knock off"
    },
    "bare_cut": {"": "reduce|trim|trimming|reducing|slim down|cut|slash|downsize"},
    "gain_noun": {"": "speedup|speedups|acceleration|speed up factor"},
    "becomes": {"": "become|becomes|turn into|turned into|turns into"},
    "that": {"": "that|this|those|these"},
    "without": {"": "without|w/o|wo|sans"},
}
