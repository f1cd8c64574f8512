"""English: which words stand for which concepts. Another language is another module of this shape.

Phrases are written in words, alternatives separated by `|`; case, hyphens and typographic apostrophes make no
difference. The grammar speaks of concepts only.
"""

from __future__ import annotations

from .english_measures import FACTORS, FRACTIONS, NO_SLIPS, NUMBERS, SCALES, UNIT_PHRASES, UNITS
from .lexicon import Concept, Lexicon

# fmt: off
_CONCEPTS: dict[Concept, dict[str, str]] = {
    "quantity": {
        "size": (
            "size|sizes|file size|model size|disk size|file|files|download|download size|weights|on disk|disk|"
            "disk space|disk footprint|storage|flash|bundle|bundle size|bundle budget|payload|package|package size|"
            "binary|binary size|footprint on disk|size on disk|weight file|weight|bytes|asset|asset size|rom"
        ),
        "memory": (
            "memory|ram|memory footprint|memory usage|memory use|memory consumption|peak memory|ram usage|peak ram|"
            "footprint|working set|rss|resident memory|heap|sram|runtime memory|mem|memory peak|ram consumption|"
            "memory at runtime|resident set|resident size|dram"
        ),
        "latency": (
            "latency|latencies|inference time|response time|runtime per call|run time|delay|time per image|"
            "time per call|time per inference|time per frame|time per request|execution time|inference latency|"
            "processing time|time|lag|duration|call time|turnaround|inference|forward pass|answer time|runtimes|"
            "inference speed in ms|prediction time|reaction time"
        ),
        "speed": "speed|inference speed|speedup|speedups|acceleration|performance|velocity|speed up factor|pace",
        "throughput": "throughput|rate|frame rate|framerate|inference rate|bandwidth|requests per second|qps|fps|rps",
        "accuracy": (
            "accuracy|acc|top-1|top-5|top-1 accuracy|top-5 accuracy|f1-score|f1|f1 score|score|precision and recall|"
            "top1|top 1|top 1 accuracy|top1 accuracy|map|quality|metric|auc|f1 measure|accuracies|correctness|top5|"
            "top 5|recall|r2|validation accuracy|test accuracy|classification accuracy|predictive quality|"
            "output quality|prediction quality|model quality|model accuracy|exactness"
        ),
        "fidelity": "fidelity|sqnr|likeness|signal to noise|snr|signal to noise ratio|output fidelity|psnr",
        "error": "wer|cer|error rate|error|mae|rmse|mse|word error rate|errors|perplexity",
        "first": (
            "first inference|cold start|load time|startup time|start up time|loading time|startup|warm up|warmup|"
            "first run|first call|loading|boot|initialization|initialisation|time to load|training time|load|loads|"
            "loaded|loads in|start|starts|boots"
        ),
    },
    "statistic": {
        "p50": "p50|median|50th percentile|in the median|medians",
        "p95": "p95|95th percentile|95 percentile",
        "p99": "p99|tail|tail latency|99th percentile|99 percentile|tail latencies|the tail",
        "mean": "mean|average|on average|avg|averaged|in average|in the mean|at average",
        "other": "p90|p80|p75|p999|p98|90th percentile|worst case|p100|98th percentile|75th percentile",
    },
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
            "less than or equal to|lte|lt|or so max|comes in under|south of|shy of|not beyond|not past|sub|"
            "no higher than|not higher than|at the maximum|squeeze it into|fit it into|fit it in|fit this in|"
            "fit this into|maxes out at|topping out at|not surpass|nothing above|nothing over|nothing more than|"
            "upper bounded by|bounded by|maximum allowed|max allowed|stays under|room for|not surpassing|limits|"
            "less that|no more that|maximum is|at max|lower or equal to|no worse than"
        ),
        "mark": "<|<=|≤|=<",
        "within": "within|inside|off by at most|to within",
    },
    "sacrificing": {"": "at the expense of|at the cost of|sacrifice|trade away|at any cost to"},
    "choice": {"": "either|whichever|one of"},
    "attains": {"": "reaches|achieves|scores|obtains|yields|delivers|gets|has|have|gives|attains|runs at|hits"},
    "targeting": {
        "": "target|targets|targeting|deploy|deployed|deployment|platform|run|runs|running|ship|shipping|execute",
    },
    "over": {"": "over|before"},
    "several": {"": "couple|few|several|some|many"},
    "only": {"": "only|just|exclusively|nothing but|solely|simply|purely"},
    "without": {"": "without|w/o|wo|sans"},
    "past": {"": "was|were|used to be|had been|went|grew|rose|jumped|ballooned|regressed|has grown|has gone"},
    "lower": {
        "": (
            "at least|minimum|minimal|min|at minimum|at the least|no less than|not less than|or more|or higher|"
            "or above|or greater|greater than|more than|above|over|exceed|exceeds|exceeding|exceeded|beyond|"
            "larger than|bigger than|heavier than|longer than|slower than|higher than|better than|not below|"
            "not under|floor|no lower than|not lower than|no fewer than|upwards of|a minimum of|minimum of|min of|"
            "north of|greater or equal|greater or equal to|greater than or equal to|lower bound|lower limit|"
            "never below|never under|surpass|surpasses|past|superior to|gte|gt|more then|higher then|"
            "not smaller than|at the very least|threshold|nothing below|nothing under|minimum required|or bigger|"
            "over and above|in excess of|minima|mini|no smaller than|not worse than|top|go over|goes over|go above|"
            "goes above"
        ),
        "mark": ">|>=|≥|=>",
    },
    "not_worse": {
        "size": "no bigger than|not bigger than|no larger than|not larger than|no heavier than",
        "speed": "no slower than|not slower than|no longer than|not longer than",
        "accuracy": "no worse than|not worse than|no less accurate than|not less accurate than",
    },
    "approximate": {
        "": "around|about|roughly|approximately|approx|circa|ca|~|≈|nearly|almost|some|more or less|close to|near",
    },
    "goal": {
        "": (
            "goal|aim|sla|slo|kpi|spec|specification|target of|target is|need|needs|needed|want|wants|wanted|must|"
            "should|shall|has to|have to|needs to|require|requires|required|requirement|wish|would like|please|"
            "get to|get it to|make it|bring it to|has got to|gotta|ought to|needing|must be|should be|expect|expects|"
            "expected|aiming|aim for|aiming for|hit|reach|achieve|deliver|looking for|asks for|ask for|goal is|wanna|"
            "hoping for|agreed on|allowed|=|desired|demand|demands|shooting for|hitting"
        ),
    },
    "direction": {
        "size-": (
            "smaller|lighter|more compact|compacter|slimmer|leaner|tinier|more small|more light|thinner|less big|"
            "less heavy|less large|reduced in size|littler|tighter|smaller than|lighter than"
        ),
        "size+": "bigger|larger|heavier|fatter|more big|more heavy|bigger than|larger than|heavier than",
        "speed+": (
            "faster|quicker|speedier|more fast|more quick|snappier|swifter|more responsive|more speed|less slow|"
            "more rapid|shorter|rapider|less latent|more quickly|fastest possible|faster than|quicker than|"
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
        "-": "less|lower|fewer|down|decreased|reduced",
        "+": "more|higher|up|increased|greater|extra|additional|raised",
    },
    "adjective": {
        "size-": "small|tiny|compact|light|lightweight|slim|lean",
        "size+": "big|large|heavy|huge|bulky|fat",
        "speed+": "fast|quick|quickly|snappy|rapid|speedy|responsive|swift|low latency",
        "speed-": "slow|sluggish|laggy|long",
        "accuracy+": "accurate|precise|high quality|correct",
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
            "off the|bring|brought down|minus|shed|melt|pare|drive down|crop|strip|strip down"
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
            "accelerated|speed things up|hurry up|speed up this|quicken|make haste|speed that up"
        ),
        "speed-": "slow down|slows down|slow it down|slowdown|slowing down",
    },
    "loss": {
        "noun": (
            "loss|losses|tolerance|slack|leeway|degradation|deterioration|drops|accuracy drop|decline|worsening|"
            "penalty|hit on|regression|sacrifice|dip|decay|deviation|quality loss|accuracy loss|quality drop|impact|"
            "degrade of|erosion|damage|difference|performance loss"
        ),
        "verb": (
            "lose|loses|losing|lost|loosing|loose|give up|giving up|degrade|degrades|degrading|deteriorate|fall|"
            "falls|falling|sacrificing|worsen|worsens|suffer|suffers|suffering|decline by|dropping|dropped|give away|"
            "compromise|compromising|get worse|gets worse|getting worse|become worse|becomes worse|sink|slip|sinks|"
            "slips|part with|decreases by|decreased by|concede|shave from|harm|harming|hurt|hurting|hurts|"
            "degrading by|affect|affecting|touch|touching|change|changing|alter|altering|mess up|mess with|ruin|"
            "ruining|break|breaking|spoil|spoiling"
        ),
        "drop": "drop",
    },
    "superlative": {
        "size": (
            "smallest|tiniest|lightest|minimum size|minimal size|min size|smallest possible|the most compact|"
            "most compact|minimal footprint|as small as it gets|smallest size|leanest|littlest|slimmest|smallest file"
        ),
        "latency": (
            "fastest|quickest|maximum speed|max speed|top speed|lowest latency|minimum latency|minimal latency|"
            "min latency|as fast as it gets|full speed|highest throughput|maximum throughput|highest speed|"
            "best speed|best performance|shortest|as quick as it gets|best latency|lowest possible latency|"
            "maximum performance|snappiest|max throughput|max performance|highest fps|speediest"
        ),
        "accuracy": (
            "best quality|highest accuracy|best accuracy|highest quality|maximum accuracy|most accurate|"
            "maximum quality|best possible quality|best possible accuracy|highest possible accuracy|max accuracy|"
            "max quality|top quality|most precise|finest quality|highest fidelity|best fidelity|"
            "highest possible quality|top accuracy"
        ),
        "balanced": (
            "balanced|best balance|good balance|balance of|best compromise|good compromise|best trade off|"
            "good trade off|best tradeoff|good tradeoff|balance between|a balance|compromise between|"
            "trade off between|best overall|best all round|sweet spot|well balanced|balance"
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
            "tuned for|favor|favour|most important is|most important thing is|care most about|care about|"
            "what counts is|what matters is|all that matters is|only care about|care only about|i only care about|"
            "optimizing for|optimising for|prefer|concentrate on|all about|main goal is|main thing is|important is|"
            "objective is|tune for|optimised for|optimized for|optimize it for|optimise it for|optimize this for|"
            "goal is maximum|optimize|optimise|optimizing|objective|priority|it is all about|biggest concern is|"
            "main concern is"
        ),
        "after": (
            "first|matters most|is most important|is the most important|is the priority|is my priority|"
            "is top priority|is the top priority|is important|is key|above all|above all else|is everything|"
            "comes first|counts most|is more important|matters more|is what matters|is the most important thing|"
            "over everything|matters|is paramount|is essential|is crucial|is critical|is what counts|is our priority|"
            "is all that matters|has priority|before everything|is number one|is our top priority|counts|most of all|"
            "is the main thing|is what i care about|is vital"
        ),
    },
    "as": {"": "as|so"},
    "so": {"": "so"},
    "possible": {
        "": (
            "as possible|as you can|as can be|as you possibly can|as it can be|as it gets|as it can|as it will go|"
            "as technically possible|as feasible|as we can|as humanly possible|possible|as you can get it|"
            "as you can make it|like possible|how possible|as it goes|as you are able|as they come|as is possible|"
            "as we can get it|as you can get|as you dare|as hell"
        ),
    },
    "negation": {
        "": (
            "not|no|never|dont|don't|do not|cannot|can't|cant|must not|mustn't|shouldn't|should not|won't|without|"
            "avoid|avoiding|neither|nor|none|doesn't|does not|isn't|is not|aren't|nothing|w/o|wo|refrain from|stop|"
            "may not|skip|leave out|rule out|exclude|excluding|forbid|disallow|ban|stay away from|free of|zero|non|"
            "no more|anything but|keep away from|hands off|steer clear of|under no circumstances|omit|disable|"
            "turn off|switch off|prohibit|minus any|not any|couldn't|wouldn't|nor any|without any|nobody|veto|"
            "hold off on|leave off|do without|without using|don't want|do not want|don't use|do not use|not use|"
            "no use of|keep out|sans"
        ),
    },
    "saving": {"": "save|saves|saving|shave|shave off|knock|knock off"},
    "losing": {"": "lose|loose|losing|loosing|loses"},
    "nothing": {"": "nothing"},
    "bare_cut": {"": "reduce|trim|trimming|reducing|slim down|cut|slash|downsize"},
    "bare_possible": {"": "possible"},
    "gain_noun": {"": "speedup|speedups|acceleration|speed up factor"},
    "not_under": {"": "not below|not under|never below|never under|no lower than|not lower than|no less than"},
    "mild": {"": "much|little|minimal|significant|noticeable|negligible|slight|slightly|small|minor|a bit|tiny bit"},
    "whole": {"": "of"},
    "inside": {"": "in"},
    "one": {"": "a|an|one"},
    "the": {"": "the"},
    "plus": {"": "and"},
    "decimal": {"": "point"},
    "no": {"": "no|nope|nah"},
    "refused": {
        "": (
            "not allowed|is not allowed|are not allowed|not permitted|forbidden|is forbidden|are forbidden|is out|"
            "not an option|is off the table|off the table|disabled|isn't allowed|not acceptable|is not acceptable|"
            "unacceptable|is banned|banned|prohibited|is prohibited|not wanted|not okay|not ok|is not ok|is a no go|"
            "a no go|no go|isn't an option|is not an option|off limits|ruled out|is ruled out|excluded|a problem|"
            "is a problem|too much|useless|is useless|won't work|will not work|doesn't work|does not work|no good|"
            "won't do|won't fly|rejected|will be rejected|gets rejected|fails|is a fail|a deal breaker|a dealbreaker|"
            "dealbreaker|deal breaker|a show stopper|showstopper|is unacceptable|would be unacceptable|can't be used|"
            "cannot be used|is not permitted|are prohibited|are banned|not tolerated|not tolerable|intolerable|"
            "no use|of no use|isn't acceptable|are out|must be avoided|should be avoided|not desired|breaks the deal|"
            "are off|is off"
        ),
    },
    "indifferent": {
        "before": (
            "don't care about|do not care about|don't care how|don't care|do not care|doesn't matter how|don't mind|"
            "do not mind|not worried about|regardless of|no matter|whatever|any size or|irrespective of|never mind|"
            "nevermind|not concerned about|don't worry about|no limit on|no limits on|without regard to|"
            "not interested in|i could care less about|couldn't care less about|no need to worry about|unlimited|"
            "at any|at the expense of|at the cost of|forget about|not care about|no constraint on|no restriction on|"
            "no constraints on|no restrictions on|no requirement on|no requirements on|no bound on|not fussed about|"
            "sacrifice|trade away|not bothered about|not bothered by|no concern about|no requirements for|"
            "no requirement for|no limit for|not fussy about|ignore|disregard|indifferent to|relaxed about|plenty of|"
            "lots of"
        ),
        "after": (
            "doesn't matter|does not matter|do not matter|don't matter|is not important|not important|is irrelevant|"
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
            "can suffer|may suffer|might suffer|won't bother me|do not bother me|is not crucial|isn't crucial"
        ),
    },
    "fine": {
        "": (
            "wouldn't mind|would not mind|don't mind|do not mind|fine with|ok with|okay with|comfortable with|"
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
            "removing channels|remove channels|drop channels"
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
    "keep": {
        "verb": (
            "keep|stay|stays|leave|remain|remains|retain|maintain|preserve|stick to|staying|keeping|hold|keeps|"
            "preserving|maintaining|retaining|stick with"
        ),
        "state": (
            "unchanged|unaltered|untouched|same|identical|equal|the same|constant|intact|preserved|retained|"
            "maintained|just as|as is|equally good|as good as|at least as good as|at least as good|at least the same"
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
    "is": {"": "is|it's|are|be|that's|its|gets|got"},
    "from": {"": "from"},
    "to": {"": "to|down to|→|⇒|into|onto|till|until"},
    "by": {"": "by"},
    "of": {"": "of|in|for"},
    "than": {"": "than|then"},
    "between": {"": "between|anywhere between|somewhere between|ranging from|in the range|in the range of|range"},
    "instead": {"": "instead of|rather than|in place of|as opposed to|in lieu of"},
    "and": {
        "": (
            "and|&|plus|as well as|also|along with|together with|then|with|nor|additionally|while keeping|and also|"
            "besides"
        ),
    },
    "or": {"": "or|and or"},
    "but": {
        "": (
            "but|however|though|although|yet|while|whereas|because|since|otherwise|so that|whilst|even though|"
            "even if|in return|in exchange|that said|except|when|then again|which|who|where"
        ),
    },
    "provided": {
        "": (
            "as long as|so long as|provided|provided that|on condition that|if only|on the condition that|providing|"
            "assuming|just keep|as far as"
        ),
    },
    "if": {"": "if|in case|once|unless|should it|whenever"},
    "correct": {
        "": (
            "sorry|actually|correction|i mean|i meant|make that|no make that|wait|wait no|no wait|no sorry|sorry no|"
            "or rather|rather|better make it|on second thought|on second thoughts|on reflection|instead|let's say|"
            "let us say|edit|typo|hmm no|my mistake|my bad|oops|no make it|or let's say|i meant to say|to be precise|"
            "correcting myself|pardon|come to think of it|thinking about it|excuse me|er|erm|uh no|rephrase|"
            "change that to|changed to|change it to|strike that make it|or actually|well actually|no actually|"
            "no actually make it|apologies|better|or better|make it|nah|nope|no no|amend|amended to|revised to|"
            "update|i take that back|let me correct that|should read"
        ),
    },
    "retract": {
        "": (
            "scratch that|forget that|strike that|cancel that|scrap that|ignore that|delete that|forget what i wrote|"
            "forget what i said|disregard that|never mind that|nevermind that|undo that|scratch|drop that|scratch it|"
            "forget what|scrap|forget the|no longer"
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
    "wished": {
        "": (
            "real time|realtime|bit exact|bit identical|high accuracy|low memory|interactive|low power|"
            "energy efficient|battery|energy|power consumption|power|cost|sound the same|reasonable time"
        ),
    },
    "platform": {
        "server": (
            "server|servers|data center|datacenter|data centre|cloud|cloud instance|backend|back end|server side|"
            "rest api|web server|web service|web api|in the cloud|vm|kubernetes|production server|this host|"
            "this machine|this server|linux box|web backend|microservice|lambda|aws|ec2|azure|gcp"
        ),
        "edge": (
            "edge|edge device|edge devices|phone|phones|smartphone|smartphones|mobile|mobile phone|mobile device|"
            "mobile devices|mobile app|cell phone|cellphone|telephone|android|iphone|iphones|ios|ipad|tablet|tablets|"
            "raspberry pi|pi|pis|raspberry|raspi|rpi|pi zero|jetson|jetson nano|microcontroller|microcontrollers|mcu|"
            "mcus|esp32|esp8266|arduino|stm32|cortex|embedded|embedded device|embedded board|embedded system|iot|"
            "iot device|wearable|watch|smartwatch|smart watch|drone|pixel|galaxy|coral|micro controller|nrf52|rp2040|"
            "beaglebone|on device|handheld|handset|handsets|teensy|micro controllers|smart camera|gadget|headset|"
            "glasses|smart speaker|hearing aid|earbuds|robot|car|single board computer|sbc|pi 4|pi 5|pi 3|gateway|"
            "phone app"
        ),
        "browser": (
            "browser|browsers|web browser|web page|webpage|web app|webapp|web site|website|chrome|safari|firefox|web|"
            "the web|chromium|in browser|web application|client side|onnxruntime web|ort web|onnx runtime web|pwa|"
            "mobile browser|mobile safari|mobile chrome|edge browser|microsoft edge|opera|javascript|js|web pages|"
            "mobile web|web frontend|frontend|front end|browser extension|browser tab|chrome extension|chromebook"
        ),
        "node": "node|nodejs|node js|node.js",
        "unknown": (
            "laptop|laptops|desktop|pc|mac|macbook|gpu|gpus|cuda|tensorrt|npu|tpu|notebook|workstation|fpga|dsp|"
            "coreml|core ml|tflite|openvino"
        ),
    },
    "runtime": {
        "onnx": "onnxruntime|onnx runtime|ort",
        "onnx?": "onnx",
        "torch": "js torch|libtorch",
        "torch?": "torch|pytorch",
        "wasm": "wasm|webassembly|web assembly",
        "webgpu": "webgpu|web gpu",
        "webgl": "webgl|web gl",
    },
    "device": {
        "edge": (
            "esp32|esp8266|cortex|stm32|iphone|raspberry|jetson|arduino|rp2040|nrf52|pixel|galaxy|ipad|rpi|nrf|esp"
        ),
    },
    "factor": {"": "factor of|factor"},
    "through": {
        "": (
            "with|on|using|via|runtime|through|runtime is|run in|runs in|running in|run on|runs on|engine|"
            "executed in|executed by|under|served by|served with|backend"
        ),
    },
    "model": {
        "": (
            "model|models|network|net|version|variant|checkpoint|weights file|build|export|one|graph|file|detector|"
            "classifier"
        ),
    },
    "label": {
        "": (
            "batch size|batch|batch of|batches of|input size|image size|window size|kernel size|ticket|version|build|"
            "issue|release|chapter|section|page|item|req|table|figure|step|revision|milestone|python|node|sprint|"
            "room|order|case|experiment|id|number|nr|safari|chrome|firefox|generation|gen|v|ios|android|pull request|"
            "pr|bug|meeting|since|until|q|phase|stage"
        ),
    },
    "counted": {
        "": (
            "image|images|frame|frames|request|requests|inference|inferences|query|queries|call|calls|sample|samples|"
            "prediction|predictions|run|runs|picture|pictures|token|tokens|evaluation|evaluations|window|windows|"
            "sentence|sentences|item|items|example|examples|clip|clips|pass|passes|document|documents|iteration|"
            "iterations|req|imgs|img|classification|classifications|detection|detections|step|steps|time|times|input|"
            "inputs"
        ),
    },
    "foreign": {
        "": (
            "windows|window|clip|clips|chunks|chunk|segment|segments|snippets|parameters|parameter|params|flops|macs|"
            "operations|data|dataset|images|image|corpus|recordings|video|audio|footage|photos|pictures|training|log|"
            "logs|text|of data|cache|swap|samples|input image|upload|traffic|sd card|hard drive|records|rows"
        ),
    },
    "delta": {"": "difference of"},
    "has": {"": "has|have|with only|comes with|we have|owns|got"},
    "article": {
        "": "a|an|the|its|this|that|it|them|their|our|my|your|these|those|of the|whole|entire|overall|total|peak",
    },
    "too": {"": "too|way too|far too|much too"},
    "everything": {"": "everything|all|both|each"},
    "talk": {
        "": (
            "discussed|talked|called|call me|spoke|call|told|ring|reach me|by|phone call|on the phone with|"
            "conversation"
        ),
    },
    "per": {"": "per|every|each|a|an|/|by"},
    "second": {
        "s": "second|sec|s|seconds",
        "min": "minute|min|m",
        "h": "hour|h|hr",
    },
}
# fmt: on

ENGLISH = Lexicon.of(
    numbers=NUMBERS,
    scales=SCALES,
    fractions=FRACTIONS,
    factors=FACTORS,
    units=UNITS,
    unit_phrases=UNIT_PHRASES,
    concepts=_CONCEPTS,
    no_typos=NO_SLIPS,
)
