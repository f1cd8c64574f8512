"""What is bounded, and what must not be taken for it."""

from __future__ import annotations

from ..lexicon import Concept

QUANTITIES: dict[Concept, dict[str, str]] = {
    "quantity": {
        "size": (
            "size|sz|sizes|file size|model size|disk size|file|files|download|download size|weights|on disk|disk|"
            "disk space|disk footprint|on disk footprint|storage footprint|file footprint|"
            "storage|flash|bundle|bundle size|bundle budget|payload|package|package size|"
            "space|binary|binary size|footprint on disk|size on disk|weight file|weight|bytes|asset|asset size|rom"
        ),
        "memory": (
            "memory|the peak|peak usage|peak use|peak consumption|peak allocation|ram|memory footprint|"
            "memory usage|memory use|memory consumption|peak memory|ram usage|peak ram|"
            "footprint|working set|rss|resident memory|heap|sram|runtime memory|mem|memory peak|ram consumption|"
            "memory at runtime|resident set|resident size|dram|psram|vram"
        ),
        "latency": (
            "latency|latencies|lat|end to end latency|end to end time|end to end|e2e latency|e2e|"
            "wall clock time|wall time|wall clock|"
            "turnaround time|inference time|response time|runtime per call|run time|delay|time per image|"
            "time per call|time per inference|time per frame|time per request|execution time|inference latency|"
            "processing time|time|lag|duration|call time|turnaround|inference|forward pass|answer time|runtimes|"
            "inference speed in ms|prediction time|reaction time|response times|inference times|run times|"
            "execution times|response latency"
        ),
        "speed": (
            "speed|spd|perf|inference speed|speedup|speedups|acceleration|performance|velocity|speed up factor|pace"
        ),
        "throughput": (
            "throughput|tput|rate|frame rate|framerate|inference rate|bandwidth|requests per second|qps|fps|rps"
        ),
        "accuracy": (
            "accuracy|acc|top-1|top-5|top-1 accuracy|top-5 accuracy|f1-score|f1|f1 score|score|precision and recall|"
            "top1|top 1|top 1 accuracy|top1 accuracy|map|quality|metric|auc|f1 measure|accuracies|correctness|top5|"
            "top 5|recall|r2|validation accuracy|test accuracy|classification accuracy|predictive quality|"
            "iou|miou|dice|dice score|dice coefficient|sensitivity|specificity|balanced accuracy|hit rate|roc auc|"
            "output quality|prediction quality|model quality|model accuracy|exactness"
        ),
        "fidelity": "fidelity|sqnr|likeness|signal to noise|snr|signal to noise ratio|output fidelity|psnr",
        "error": (
            "false positive rate|false negative rate|false alarm rate|miss rate|failure rate|fpr|fnr|wer|"
            "cer|error rate|error|mae|rmse|mse|word error rate|errors|perplexity"
        ),
        "first": (
            "first inference|cold start|load time|startup time|start up time|loading time|startup|warm up|warmup|"
            "first run|first call|loading|boot|initialization|initialisation|time to load|training time|load|loads|"
            "loaded|loads in|start|starts|boots"
        ),
    },
    "idiom": {
        "": (
            "this time|next time|every time|each time|any time|at the same time|on time|at a time|some time|"
            "phone number|phone numbers|mobile number|phone call|all the time|for the time being|at all times|"
            "first time|in time|first inference aside|first call aside|first run aside|warm up aside|warmup aside|"
            "after warm up|after warmup|excluding warm up|excluding warmup|not counting warm up|not counting warmup|"
            "not counting the first call|not counting the first run|ignoring warm up|ignoring warmup|"
            "excluding the first call|excluding the first run|once warmed up|when warmed up|after the first call"
        ),
    },
    "peak": {
        "": (
            "peak|at peak|at its peak|at the peak|at runtime|at run time|while running|when running|when loaded|"
            "while it runs|when it runs|during inference|in operation|while in use|once loaded|when it is loaded"
        ),
    },
    "score": {"": "precision"},
    "statistic": {
        "p50": "p50|median|fiftieth percentile|50th percentile|in the median|medians",
        "p95": "p95|ninety fifth percentile|95th percentile|95 percentile",
        "p99": "p99|ninety ninth percentile|tail|tail latency|99th percentile|99 percentile|tail latencies|the tail",
        "mean": "mean|average|on average|avg|averaged|in average|in the mean|at average",
        "other": (
            "p99.9|p99.5|p99.99|99.9th percentile|99.99th percentile|p90|p80|"
            "p75|p999|p98|90th percentile|worst case|p100|98th percentile|75th percentile"
        ),
    },
    "counted": {
        "": (
            "image|images|frame|frames|request|requests|inference|inferences|query|queries|call|calls|sample|samples|"
            "prediction|predictions|run|runs|picture|pictures|token|tokens|evaluation|evaluations|window|windows|"
            "sentence|sentences|item|items|example|examples|clip|clips|pass|passes|document|documents|iteration|"
            "iterations|req|imgs|img|classification|classifications|detection|detections|step|steps|time|times|input|"
            "inputs|case|cases|inf|infs|preds|pred|reqs|weights|utterance|utterances|user|users|"
            "transaction|"
            "transactions|message|messages|event|events|"
            "customers|visitors|clients|packet|packets|photo|photos|face|faces"
        ),
    },
    "foreign": {
        "": (
            "windows|window|clip|clips|chunks|chunk|segment|segments|snippets|parameters|parameter|params|flops|macs|"
            "operations|data|dataset|images|image|corpus|recordings|video|audio|footage|photos|pictures|training|log|"
            "logs|text|of data|cache|swap|samples|input image|upload|traffic|display|screen|monitor|camera|sensor|"
            "microphone|signal|paper|article|blog|leaderboard|readme|documentation|docs|appendix|thesis|"
            "brochure|datasheet|"
            "data sheet|whitepaper|literature|learning rate|sample rate|sampling rate|bit rate|bitrate|"
            "dropout rate|refresh rate|heart rate|"
            "conversion rate|click rate|growth rate|sd card|hard drive|records|rows"
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
    "per": {"": "per|every|each|a|an|/|by"},
    "second": {
        "s": "second|sec|s|seconds",
        "min": "minute|min|m",
        "h": "hour|h|hr",
    },
    "divide": {"": "divided|divide|dividing|÷"},
    "several": {"": "couple|few|several|some|many"},
    "one": {"": "a|an|one"},
    "the": {"": "the"},
    "article": {
        "": "a|an|the|its|this|that|it|them|their|our|my|your|these|those|of the|whole|entire|overall|total|peak",
    },
    "whole": {"": "of"},
    "inside": {"": "in"},
    "plus": {"": "and"},
    "decimal": {"": "point"},
    "factor": {"": "factor of|factor|×="},
    "attains": {
        "gets": "gets",
        "": (
            "reports|reported|reaches|achieves|scores|obtains|yields|delivers|has|have|gives|attains|"
            "runs at|hits|does|did|manages"
        ),
    },
    "any": {"": "any|whatever|whichever"},
    "has": {"": "has|have|with only|comes with|we have|owns|got"},
}
