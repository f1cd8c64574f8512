"""English numbers and units, and words that are no slips of others."""

from __future__ import annotations

NUMBERS = {
    "zero": 0, "nought": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "dozen": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15,
    "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40,
    "fourty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
SCALES = {
    "hundred": 100, "thousand": 1000, "k": 1000, "million": 1_000_000, "billion": 1_000_000_000,
    "mio": 1_000_000, "lakh": 100_000, "lakhs": 100_000, "crore": 10_000_000, "crores": 10_000_000,
}  # fmt: skip
FRACTIONS = {
    "half": 1 / 2, "third": 1 / 3, "thirds": 1 / 3, "quarter": 1 / 4, "quarters": 1 / 4, "fourth": 1 / 4,
    "fourths": 1 / 4, "fifth": 1 / 5, "fifths": 1 / 5, "sixth": 1 / 6, "eighth": 1 / 8, "eighths": 1 / 8,
    "tenth": 1 / 10, "tenths": 1 / 10, "hundredth": 1 / 100,
}  # fmt: skip
# How often as much; negative where that divides.
FACTORS = {
    "halve": -2, "halves": -2, "halved": -2, "halving": -2, "quartered": -4, "twice": 2, "double": 2, "doubled": 2,
    "doubling": 2, "doubles": 2, "twofold": 2, "thrice": 3, "triple": 3, "tripled": 3, "treble": 3, "threefold": 3,
    "quadruple": 4, "quadrupled": 4, "fourfold": 4, "fivefold": 5, "sixfold": 6, "eightfold": 8, "tenfold": 10,
}  # fmt: skip

# Kind of measure and unit as `contracts.units` writes it → how people write it.
_WRITTEN: dict[tuple[str, str], str] = {
    ("bytes", "B"): "byte|bytes",
    ("bytes", "kB"): "kb|kbyte|kbytes|kilobyte|kilobytes|kilo|kilos|kbs|ko|kilobites",
    ("bytes", "MB"): "mb|mbs|mbyte|mbytes|meg|megs|mega|megas|megabyte|megabytes|mo|megabites",
    ("bytes", "GB"): "gb|gbs|gbyte|gbytes|gig|gigs|giga|gigabyte|gigabytes",
    ("bytes", "KiB"): "kib|kibibyte|kibibytes",
    ("bytes", "MiB"): "mib|mebibyte|mebibytes",
    ("bytes", "GiB"): "gib|gibibyte|gibibytes",
    ("duration", "us"): "us|µs|μs|microsecond|microseconds|microsec|usec",
    ("duration", "ms"): "ms|msec|msecs|millisecond|milliseconds|milisecond|miliseconds|millis|millisec|millisecs|msek",
    ("duration", "s"): "s|sec|secs|second|seconds",
    ("long", "min"): "min|mins|minute|minutes",
    ("long", "h"): "h|hr|hrs|hour|hours",
    ("foreign", "day"): "day|days|week|weeks|month|months|year|years",
    ("rate", "/s"): "fps|qps|rps|ips|hz|tps",
    ("decibel", "dB"): "db|decibel|decibels",
    ("percent", "%"): "%|percent|percents|pct|procent|prozent|perc",
    ("points", "pp"): "pp|pt|pts|point|points|ppt|prozentpunkte|prozentpunkt",
    ("basis", "pp"): "bp|bps",
    ("factor", "x"): "x|×|times|fold|time",
    ("bits", ""): "bit|bits",
    ("letter", "MB"): "m",
    ("foreign", ""): (
        "parameters|params|parameter|threads|thread|cores|core|epochs|epoch|classes|layers|layer|inputs|outputs|"
        "tokens|users|people|models|samples|images|frames|weights|channels|attempts|attempt|tries|dollars|euros|mbit|"
        "mbits|megabits|kbit|gbit|watt|watts|w|mw|joule|joules|flops|gflops|mflops|macs|mhz|ghz|px|pixels|examples|"
        "steps|items|requests|calls|queries|inferences"
    ),
}
UNITS = {form: unit for unit, forms in _WRITTEN.items() for form in forms.split("|")}

_PHRASES: dict[tuple[str, str], str] = {
    ("points", "pp"): "percentage points|percentage point|accuracy points|accuracy point|quality points|"
    "prozentpunkte|prozentpunkt|percent points|percent point|% points|% point",
    ("percent", "%"): "per cent",
    ("basis", "pp"): "basis points|basis point",
    ("bytes", "MB"): "mega bytes|mega byte",
    ("bytes", "kB"): "kilo bytes",
    ("bytes", "GB"): "giga bytes",
    ("duration", "ms"): "milli seconds|milli second",
    ("magnitude", "x"): "orders of magnitude|order of magnitude",
}
UNIT_PHRASES = {form: unit for unit, forms in _PHRASES.items() for form in forms.split("|")}

# Near to words of the lexicon, but words of their own.
NO_SLIPS = (
    "spend|father|farther|fester|faster|latest|later|latter|taster|master|order|older|wonder|cover|lover|smell|snack|"
    "small|store|slower|shower|flower|power|point|paint|print|quiet|quite|quack|speech|steed|bother|rather|other|"
    "never|model|modal|mobile|frame|fame|phrase|place|plane|plain|there|their|three|these|those|where|which|while|"
    "white|write|first|fist|list|last|least|lease|please|leave|leaf|heave|heavy|wave|save|safe|state|stage|stale|"
    "scale|sale|about|above|along|clone|close|tree|free|tired|third|thirty|thirsty|sight|light|right|fight|night|"
    "might|eight|weight|height|would|could|should|world|word|work|works|start|smart|part|sort|short|shirt|share|"
    "spare|space|stack|track|train|brain|drain|crop|prop|trip|ship|shift|client|agent|around|ground|bound|sound|"
    "found|round|runs|turn|learn|clear|dear|near|year|bear|beer|peer|deer|does|done|some|same|came|come|home|house|"
    "mouse|moose|goose|choose|recall|really|friday|monday|today|daily|detail|deploy|employ|people|couple|double|"
    "trouble|simple|sample|example|table|stable|cable|able|label|level|lever|liver|river|driver|drives|drive|live|"
    "give|given|even|ever|every|very|ready|read|lead|dead|deal|real|heal|meal|mail|main|rain|pain|gain|grain|trail|"
    "email|cheers|thanks|think|thing|things|bring|being|doing|going|using|during|string|strong|wrong|long|song|young|"
    "your|hour|four|flour|floor|hello|regards|kind|mind|find|fine|line|nine|mine|mean|meet|need|seed|feed|feel|fuel|"
    "full|fully|tell|sell|cell|call|ball|hall|wall|walk|talk|task|mask|ask|asked|based|base|case|cause|phase|parse|"
    "purse|nurse|worse|horse|verse|latency|memory|accuracy|throughput|bigger|bit|digits|larger|laser|lager|longer|"
    "lower|letter|batter|better|butter|matter|manner|banner|planner|scanner|inner|dinner|winner|thinner|signal|"
    "single|singer|finger|linger|liter|filter|faces|fakes|takes|makes|cakes|lakes|edges|wedge|hedge|badge|judge|"
    "server|served|serves|serve|nerve|curve|carve|quickly|quality|quantity|equality|loosely|closely|moss|boss|cost|"
    "host|post|most|lost|loss|lose|rose|nose|hose|recipe|receive|release|relate|related|reduced|produce|produces|"
    "product|seduce|deduce|induce|inputs|output|outputs|shell|shelf|self|itself|image|images|rate|late|date|data|"
    "gate|plate|platform|former|format|normal|formal|minutes|minute|minor|mirror|error|terror|layer|player|prayer|"
    "paper|taper|water|waiter|tester|texter|limited|lifted|listed|linked|liked|linen|times|timer|tiles|files|miles|"
    "smiles|piles|tails|rails|nails|mails|spent|spell|spelled|spilled|speak|spoke|smaller|stored|stores|shore|score|"
    "scored|core|more|mode|moves|remove|remain|pixels|pixel|export|expert|exports|extent|exceed|succeed|proceed|"
    "precede|precise|process|progress|program|classes|passes|masses|losses|glasses|grasses|gasses|laptop|latent|"
    "patent|parent|patient|content|context|contest|"
    "assert|shape|param|user|after|rights|logger|trace|scope|leading|saved|having|haves|flat|prevent|charge|loader|"
    "scaled|remote|trailing|prints|fixes|tried|extras|factory|trees|shows|equals|scaler|slots|sides|newer|"
    "failing|thrown|says|flush|chance|cells|stops|leads|seeds|affects|clauses|interior|exiting|derive|timed|"
    "showing|leader|throughout|spaced|waits|compares|sites|filling|driven|stashed|star|timers|became|noisy|"
    "preset|forwards|prone|deviations|enhanced|expands|thinks|stating|fires|upward|qualify|slave|stash|lesser|"
    "comms|doubly|queried|blow|radio|optical|risks|lawyer|lawyers|seeding|flows|flips|sheet|sweep|ships|males|"
    "milli|twine|downside|shove|looser|books|noting|cares|assent|mixes|tighten|fort|stabs|kills|wording|gross|"
    "learner|flask|sales|damaged|clashes|combs|comet|saver|loves|quirk|shake|inflated|swept|boring|stall|dive|"
    "stripe|bots|stems|vague|sever|menus|lest|seventh|eros|beings|harry|halting|seen|removed|valued|measured|"
    "structure|packaged|upgraded|bundled|squeezed|answers|responses|sampled|referenced|presents|shade|shame|"
    "sized|mouth"
)

_SLIPS = {
    "size": "szie|siez|sise|sizze|siz|zise",
    "half": "haf|hlaf|hafl|halv",
    "the": "teh|hte|th",
    "model": "modle|modell|mdoel",
    "more": "moer|mroe|mor",
    "than": "thna|tahn|tahn|thann",
    "doesn't": "dosent|dosen't|doesent|dosnt|doesn|dont't",
    "accuracy": "acurracy|accurracy|acuracy|accuarcy|accurancy|accracy|accuray|acccuracy|acurrancy|accuacy",
    "memory": "memoyr|memroy|mermory|memmory|meory|momory",
    "need": "ned|nede|neeed|nead",
    "just": "jsut|juts|jst",
    "must": "msut|mst|mustt",
    "under": "undr|udner|unedr|uner",
    "faster": "fastr|fatser|fsater|fater|fasetr",
    "second": "secnod|secodn|seconde|secon",
    "loss": "losss|lsos|los",
    "care": "cre|caer|carre",
    "please": "plase|plese|pelase",
    "matter": "mater|mattr|mattter",
    "that": "taht|thta|tht",
    "and": "adn|nad|annd",
    "with": "wiht|wih|whit|wtih",
    "least": "laest|leats|leest|lesat|leat",
    "most": "msot|mots",
    "quarter": "quater|qaurter|quartr|quartre|qarter",
    "quarters": "quaters",
    "throughput": "throughptu|thoughput|throuput|throughtput|troughput|throughput",
    "latency": "latecy|latncy|lateny|latnecy|laency|latancy|latencey|latentcy|lantency",
    "smaller": "smaler|samller|smller|smallr",
    "below": "bellow|belw|beloww|belwo",
    "exceed": "excede|exeed|exced|excced",
    "browser": "browsr|brwoser|borwser|broswer|bowser|browswer|brower",
    "lose": "loze|losse",
    "times": "tiems|tmies",
    "twice": "twcie|twise|twize",
    "make": "maek|mkae|amke",
    "keep": "kepe|kep|keeep",
    "don't": "dont|don;t|dotn|donot",
    "no": "noo",
    "it": "ti|itt",
    "want": "wnat|watn|wnt|whant",
    "drop": "dorp|drpo|dropp",
    "server": "sever|servr|serer|sevrer",
    "phone": "fone|phnoe|pohne|phoen",
    "percent": "percnt|precent|percet|persent|pecent",
    "pruning": "prunning|pruing|prunig",
    "quantization": "quantizaton|quantizatoin|quantiztion|quantisaton|quantzation",
    "megabytes": "megabyts|megabyes|megabtyes|megabits",
    "milliseconds": "miliseconds|millisecods|miliseonds|millisecnods",
    "shrink": "shirnk|shrnik|shrik",
    "reduce": "reduse|redcue|reudce",
    "maximum": "maxium|maximun|maximm|maximim",
    "minimum": "minium|minimun|minimm",
    "should": "shoud|shuld|sohuld|shoudl",
    "file": "fiel|flie",
    "fast": "fats|fsat",
    "original": "orignal|origianl|orginal|origional",
}
SLIPS = {slip: meant for meant, slips in _SLIPS.items() for slip in slips.split("|")}
