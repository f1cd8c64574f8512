"""Arguments and options with their help; a command's signature names the ones it takes."""

from __future__ import annotations

from typing import Annotated, Any

import typer

DATA = "Model and data"
BOUNDS = "Bounds (what has none is guarded: it may not get notably worse)"
SEARCH = "Target and search"
OUTPUT = "Output"


def _text(name: str, panel: str, text: str, metavar: str) -> Any:
    return typer.Option(name, help=text, metavar=metavar, rich_help_panel=panel, show_default=False)


def _number(name: str, panel: str, text: str, low: int, high: int) -> Any:
    return typer.Option(name, help=text, min=low, max=high, metavar="N", rich_help_panel=panel, show_default=False)


def _switch(name: str, panel: str, text: str) -> Any:
    return typer.Option(name, help=text, metavar="", rich_help_panel=panel, show_default=False)


_MODEL = "An .onnx or .pt2 file, a folder that holds one, or module:factory for torch."
Model = Annotated[str, typer.Argument(metavar="MODEL", help=_MODEL)]
OptionalModel = Annotated[str | None, typer.Argument(metavar="MODEL", help=_MODEL, show_default=False)]

Words = Annotated[
    str | None,
    typer.Argument(
        metavar="WORDS",
        help="The request in words, such as 'under 10 MB and twice as fast'; options win over it.",
        show_default=False,
    ),
]

Data = Annotated[
    str | None,
    _text("--data", DATA, "Samples: .npz, .csv, texts, a folder of .npz, .npy or images, or module:callable.", "PATH"),
]
CalibrationData = Annotated[
    str | None, _text("--calibration-data", DATA, "Unlabelled samples kept apart for calibration.", "PATH")
]
Config = Annotated[str | None, _text("--config", DATA, "The request in YAML; options win.", "FILE")]
DataConfig = Annotated[
    str | None, _text("--config", DATA, "YAML that says how data are read: preprocess, state, metric.", "FILE")
]
OutputName = Annotated[
    str | None,
    _text(
        "--output",
        DATA,
        "Output that is scored, and that fidelity speaks of. (default: the first that fits; the worst)",
        "NAME",
    ),
]
Metric = Annotated[
    str | None,
    _text(
        "--metric",
        DATA,
        "Scores answers: top1, top5, f1 with labels; mae, r2, wer, cer with targets; or your own function of "
        "(outputs, targets), 1 the best. (default: top1)",
        "NAME|module:function",
    ),
]
Shape = Annotated[
    list[str] | None, _text("--shape", DATA, "Fix an input's free dimensions; repeatable.", "NAME=1,3,224,224")
]
Threads = Annotated[int | None, _number("--threads", DATA, "Threads of the measured session. (default: 1)", 1, 256)]

MaxSize = Annotated[str | None, _text("--max-size", BOUNDS, "Bytes to load, or a share of them.", "10MB|30%")]
MaxMemory = Annotated[str | None, _text("--max-memory", BOUNDS, "Peak memory, or a share of it.", "512MB|80%")]
MaxLatency = Annotated[str | None, _text("--max-latency", BOUNDS, "Time of one call.", "50ms")]
LatencyStatistic = Annotated[
    str | None, _text("--latency-statistic", BOUNDS, "What --max-latency bounds. (default: p95)", "p95|p50|mean|p99")
]
MinSpeedup = Annotated[str | None, _text("--min-speedup", BOUNDS, "Original time / product time.", "2")]
MinThroughput = Annotated[str | None, _text("--min-throughput", BOUNDS, "Calls per second.", "100/s")]
MinAccuracy = Annotated[
    str | None,
    _text("--min-accuracy", BOUNDS, "Score by --metric: accuracy, F1, R², 1 − WER …; not for mae.", "0.95|95%"),
]
MaxDrop = Annotated[
    str | None, _text("--max-drop", BOUNDS, "Loss of that score; of mae, its relative increase.", "0.01|1%")
]
MinFidelity = Annotated[
    str | None, _text("--min-fidelity", BOUNDS, "Likeness to the original's outputs (SQNR).", "30dB")
]
MinLogitsFidelity = Annotated[
    str | None,
    _text("--min-logits-fidelity", BOUNDS, "Likeness before a last softmax or sigmoid, which hides breakage.", "20dB"),
]
AllowRegression = Annotated[
    list[str] | None,
    _text("--allow-regression", BOUNDS, "Lift guards: latency, memory, size, accuracy.", "latency,size,…"),
]
StrictAccuracy = Annotated[
    bool | None, _switch("--strict-accuracy", BOUNDS, "The whole interval must hold, not the estimate.")
]

PlatformName = Annotated[str | None, _text("--platform", SEARCH, "Where it will run. (default: server)", "server|edge")]
Runtime = Annotated[str | None, _text("--runtime", SEARCH, "What will run it. (default: onnx)", "onnx|torch")]
Level = Annotated[str | None, _text("--level", SEARCH, "What may be tried. (default: basic)", "none|basic|aggressive")]
Objective = Annotated[
    str | None,
    _text("--objective", SEARCH, "balanced, size, latency or accuracy: what to gain. (default: balanced)", "NAME"),
]
Forbid = Annotated[
    list[str] | None,
    _text("--forbid", SEARCH, "Rule levers out: pruning, quantization, int8, int4, fp16.", "pruning,int4,…"),
]
MaxAttempts = Annotated[int | None, _number("--max-attempts", SEARCH, "Candidates to try. (default: 6)", 1, 1000)]
TimeLimit = Annotated[str | None, _text("--time-limit", SEARCH, "Wall time to spend. (default: 10m)", "10m")]
Seed = Annotated[int | None, _number("--seed", SEARCH, "Seed of every random choice. (default: 0)", 0, 2**32 - 1)]
NoMemory = Annotated[bool | None, _switch("--no-memory", SEARCH, "Neither recall past outcomes nor record this one.")]

Llm = Annotated[
    str | None,
    _text(
        "--llm", SEARCH, "Language model that advises, as litellm names it, or none. (default: $SHIPFIT_LLM)", "NAME"
    ),
]
LlmRequired = Annotated[
    bool | None, _switch("--llm-required", SEARCH, "End here if the language model cannot be used.")
]

Approve = Annotated[
    bool | None, _switch("--approve", SEARCH, "Ask before anything is changed, and before a result is accepted.")
]
DryRun = Annotated[bool, _switch("--dry-run", OUTPUT, "Show profile, plans and predictions; deliver nothing.")]
Trace = Annotated[
    str | None,
    _text("--trace", OUTPUT, "Trace the run with MLflow in a SQLite file of this machine.", "sqlite:///FILE"),
]
Out = Annotated[str | None, _text("--out", OUTPUT, "New or empty folder. (default: shipfit-out/<model>-<run>)", "DIR")]
Json = Annotated[bool, _switch("--json", OUTPUT, "Print one JSON document on stdout.")]
