"""How bounds are set: comparators, amounts that are left or taken, what is told of the present."""

from __future__ import annotations

from ..lexicon import Concept
from .forms import pairs

_NOT = (
    "not|not to|never|must not|mustn't|should not|shouldn't|may not|can't|cannot|do not|don't|doesn't|won't|shall not"
)

BOUNDS: dict[Concept, dict[str, str]] = {
    "upper": {
        "": (
            "less than|lower than|fewer than|no more than|not more than|at most|at maximum|max|"
            "maximum|maximal|maximally|up to|stay under|cap|capped|cap at|limit|limited|limit of|ceiling|fits in|"
            "fit in|fit into|fits into|fitting in|fit within|fit inside|fits inside|fits within|squeeze into|"
            "not over|not above|no greater than|not greater than|upper bound|upper limit|not to exceed|less of|"
            "never more than|smaller than|lighter than|faster than|quicker than|shorter than|tops|or less|or under|"
            "or below|or lower|"
            "or lesser|lesser than|or smaller|or faster|or fewer|or better|budget|budget of|anything up to|as much as|"
            "as little as|maximum of|max of|a maximum of|no larger than|no bigger than|not larger than|"
            "not bigger than|no heavier than|no longer than|not longer than|no slower than|not slower than|"
            "inferior to|less then|lower then|smaller then|no more then|"
            "not more then|allowance|at the most|at worst|at the very most|less or equal|less or equal to|"
            "less than or equal to|lte|lt|comes in under|shy of|not beyond|not past|"
            "narrower than|coarser than|no higher than|not more of|no more of|not more as|no more as|less as|"
            "or so max|"
            "not higher than|at the maximum|squeeze it into|fit it into|fit it in|fit this in|"
            "fit this into|maxes out at|topping out at|not surpass|nothing above|nothing over|"
            "the most i'd accept|the most i can accept|most i'd accept|most i can accept|"
            "the most we can accept|most we can accept|the most i'll accept|most i'll accept|nothing more than|"
            "largest acceptable|highest acceptable|maximum acceptable|longest acceptable|biggest acceptable|"
            "slowest acceptable|largest allowed|highest allowed|maximal acceptable|"
            "upper bounded by|bounded by|maximum allowed|max allowed|stays under|room for|limits|"
            "less that|no more that|maximum is|at max|lower of|lower or equal to|no worse than|"
            + pairs(_NOT, "cross|overshoot|overstep|bust")
        ),
        "lead": "under|below|beneath|south of|sub",
        "mark": "<|<=|≤|=<",
        "within": "within|inside|off by at most|to within",
    },
    "lower": {
        "": (
            "at least|minimum|minimal|min|at minimum|at the least|no less than|not less than|or more|or higher|"
            "or above|or greater|greater than|more than|exceed|exceeds|exceeding|exceeded|"
            "larger than|bigger than|heavier than|longer than|slower than|higher than|not below|"
            "not under|floor|no lower than|not lower than|no fewer than|upwards of|a minimum of|minimum of|min of|"
            "greater or equal|greater or equal to|greater than or equal to|lower bound|lower limit|"
            "never below|never under|surpass|surpasses|superior to|gte|gt|more then|higher then|"
            "not smaller than|at the very least|threshold|nothing below|nothing under|the least i'd accept|"
            "the least i would accept|the least i can accept|least i can accept|"
            "least i'd accept|least i would accept|least we can accept|the least we'd accept|least we'd accept|"
            "the least we need|least i need|the least i need|minimum required|or bigger|"
            "over and above|in excess of|minima|mini|no smaller than|no narrower than|not narrower than|"
            "no coarser than|not coarser than|wider than|finer than|not worse than|go over|goes over|go above|"
            "worst acceptable|lowest acceptable|minimum acceptable|lowest allowed|minimal acceptable|minimum allowed|"
            "goes above|not less of|no less of|not less as|no less as|at the lowest|at the smallest|at the narrowest|"
            "at the coarsest|at the fewest"
        ),
        "better": "better than|beat|beats|beating|outperform|outperforms|match|matches|matching|undercut|undercuts",
        "lead": "above|over|beyond|past|top|north of",
        "mark": ">|>=|≥|=>",
    },
    "allotted": {
        "": (
            "for the model|for this model|for it|for inference|for the network|for the net|for the weights|"
            "for the file|"
            "for our model|for my model|for one inference|for each inference|for the inference|for each call|"
            "for the whole model|left for|left over for|"
            "reserved|reserve|set aside|allotted|allocated|allocate|budgeted|earmarked|to spare|to spend|spare|"
            "at our disposal|at my disposal|all we have|all there is|all i have|is all|all we've got|all i've got|"
            "all it gets|all it can have|all it may have|to work with|to play with|you have|you've got|you get|"
            "can have|may have|gets to use|grant|granted|grants|entitled to|gets at its disposal|hand the model|"
            "hand it|give it|give the model|offer it|is what we have|is what i have|let it have|lets us have|"
            "allows us|allow us|allows me|leaves us|leaves me|leaves the model"
        ),
    },
    "only": {"": "only|just|exclusively|nothing but|solely|simply|purely"},
    "not_worse": {
        "size": "no bigger than|not bigger than|no larger than|not larger than|no heavier than",
        "speed": "no slower than|not slower than|no longer than|not longer than",
        "accuracy": "no worse than|not worse than|no less accurate than|not less accurate than",
    },
    "not_under": {"": "not below|not under|never below|never under|no lower than|not lower than|no less than"},
    "about": {"": "ish"},
    "approximate": {
        "": "around|about|roughly|approximately|approx|circa|ca|~|≈|nearly|almost|some|more or less|close to|near|"
        "or more less|more less|or more or less|or so|ish|give or take",
    },
    "goal": {
        "needs": "needs|requires",
        "aspires": (
            "i bet you can't|bet you can't|then :|new :|goal|aim|aiming|aim for|aiming for|target of|target is|"
            "goal is|desired|wish|"
            "would like|i'd like|"
            "we'd like|i'd love|we'd love|i would love|we would love|hoping for|shooting for|looking for|"
            "i'm after|we're after|i am after|we are after|what i'm after is|what we're after is|dream of|"
            "try for|love"
        ),
        "": (
            "sla|slo|kpi|spec|specification|need|needed|want|wants|wanted|must|should|shall|has to|have to|"
            "constraints|constraint|requirements|criteria|needs to|require|required|requirement|please|get to|"
            "get it to|make it|bring it to|has got to|"
            "gotta|ought to|needing|must be|should be|expect|expects|expected|hit|reach|achieve|deliver|"
            "asks for|ask for|wanna|agreed on|allowed|=|demand|demands|hitting"
        ),
    },
    "between": {"": "between|anywhere between|somewhere between|ranging from|in the range|in the range of|range"},
    "from": {"": "from"},
    "to": {"": "to|down to|→|⇒|into|onto|till|until"},
    "by": {"": "by"},
    "of": {"": "of|in|for"},
    "exchange": {"": "for|in exchange for|in return for|in favour of|in favor of"},
    "is": {"asks": "is|are", "": "we're|they're|i'm|it's|be|that's|its|gets|got"},
    "reference": {
        "": (
            "original|originally|baseline|base line|current one|today's|what it is now|what it is today|what it is|"
            "than now|than today|than before|than it is|than it is now|than currently|than current|than the original|"
            "as now|as it is now|as today|as before|as it is|of now|of today|compared to|compared with|relative to|"
            "versus|vs|than the baseline|what it was|what we have|the present|existing|current|today's value|initial|"
            "starting|of the original|as the original|than original|than at present|than right now|at present|"
            "than present|than what we have|what we have now|than it was|than is now|as it was|as large as now|"
            "full size|reference|present|actual|actual state|current state|present state"
        ),
    },
    "present": {
        "": (
            "currently|now|today|right now|at the moment|was|were|used to be|presently|at present|nowadays|"
            "these days|so far|as of now|as of today|it is at|we are at|we're at|sits at|weighs|weighs in at|"
            "comes in at|current|clocks in at|measures|has been|stands at|before|previously|originally|yesterday|"
            "actual state|current state|present state|actual|stuck with|stuck at|sitting at|already|"
            "used to take|we have now|takes now|at this point|takes|"
            "takes up|took|occupies|is using|"
            "is taking|consumes|uses|eats|eats up|hogs|gobbles|gobbles up|burns|chews up|guzzles|devours|is eating|"
            "is consuming|is hogging|fills|is occupying|came to|comes to|amounts to|tips the scales at"
        ),
    },
    "past": {
        "": (
            "was|were|used to|used to be|had been|went|grew|rose|jumped|ballooned|regressed|has grown|has gone|"
            "ran|ran at|"
            "ran in|finished in|came in at|clocked in at|weighed|got us|got me|gave us|gave me|produced|ended up at|"
            "came out at|reached|achieved|delivered|yielded|managed|turned out|shipped|we had|it had|last time|"
            "got it to|got it down to|got this to|got this down to|got down to|brought it to|brought it down to|"
            "managed to get|shrunk it to|shrank it to|squeezed it to|squeezed it into|got it under|got it below|"
            "removed|saved|we measured|i measured|we benchmarked|i benchmarked|last week|last month|last quarter|"
            "last year|"
            "last release"
        ),
    },
    "costs": {
        "": (
            "cost|costing|cost us|cost me|pay|paying|pay with|spend|spending|at the price of|at a price of|worth|"
            "is worth|to burn|at the cost of|at a cost of"
        ),
        "told": "costs",
    },
    "lost": {"": "lost|dropped|cost us|cost me"},
    "saving": {
        "": "over budget|over the budget|over the limit|above budget|save|saves|saving|shave|shave off|knock|knock off"
    },
    "bare_cut": {"": "reduce|trim|trimming|reducing|slim down|cut|slash|downsize"},
    "gain_noun": {"": "speedup|speedups|acceleration|speed up factor"},
    "becomes": {"": "become|becomes|turn into|turned into|turns into"},
    "that": {"": "that|this|those|these"},
    "than": {"": "than"},
    "without": {"": "without|w/o|wo|sans"},
}

# Verbs that ask for what follows, or by which a model does it; the grammar needs to know no more of them.
ASKING = (
    "make|give|get|guarantee|ensure|sure|serve|handle|process|support|sustain|classify|answer|respond|reply|"
    "finish|return|let's|lets|settle|glad|multiply|call|provide|offer|produce|crank|done|answered|processed|"
    "handled|classified|analysed|analyzed|computed|enough|imagine|suppose|ready|work|fit|i'll|we'll|leaving|"
    "guess|think|guessing|thinking|shoot|go|take|deliver|render|decode|score|detect|predict|infer"
)
# The same, of what somebody or something does.
DOING = (
    "makes|guarantees|serves|handles|processes|supports|sustains|classifies|answers|responds|replies|finishes|"
    "returns|multiplies|gets|works|fits|leaves"
)
FILLERS = (
    "please|pls|plz|maybe|perhaps|definitely|say|like|kinda|sort|well|hey|hi|hello|there|at|i|i'd|we'd|you|"
    "know|um|uh|"
    "thing|stuff|really|basically|essentially|honestly|certainly|surely|probably|possibly|way|chance|"
    "would|will|getting|again|still|anyway|thanks|thank|cheers|pretty|kindly|quick|me|us|something|somewhere|"
    "anything|that's|here|"
    "exactly|precisely|how|what|what's|whats|realistic|feasible|attainable|achievable|per|out|back|yes|yeah|"
    "just|simply|dear|"
    "team|all|right|okay|mr|ms"
)
# Words, and pairs of them, that stand in the middle of phrases and change nothing.
ADVERBS = (
    "really|particularly|especially|terribly|truly|honestly|literally|absolutely|frankly|at all|necessarily|overly|"
    "entirely"
)
