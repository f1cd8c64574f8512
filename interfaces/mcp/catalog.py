"""The tools: how each is called, what it says of itself, what it is given and what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from ...contracts import Contract
from . import inputs, outputs, tools_models, tools_past, tools_runs
from .call import Call
from .context import Shop
from .outputs import Answered

# What a tool may change: nothing; files of a new product; or a run that somebody else may be waiting for.
Effect = Literal["none", "adds", "stops"]


@dataclass(frozen=True)
class Entry:
    """One tool.

    Attributes:
        work: is given the shop, what was asked (a `takes`) and the call.
        reaches_out: whether a language model that was named at the start may be asked.
    """

    name: str
    title: str
    description: str
    takes: type[Contract]
    answers: type[Answered]
    work: Callable[[Shop, Any, Call], Awaitable[Answered]]
    effect: Effect = "none"
    reaches_out: bool = False


CATALOG = (
    Entry(
        "optimize",
        "Optimize a model",
        "Make an ONNX or PyTorch model meet every bound on size, memory, latency, throughput, speed and accuracy, "
        "measured on this machine, or hand the original back with the nearest offers. State bounds as fields, in "
        "`words`, or both. Takes minutes: progress is told, and cancelling stops the run, which `resume` goes on with. "
        "Without a bound, a quantity is guarded against getting notably worse. The product appears in a new folder of "
        "the workspace.",
        inputs.OptimizeInput,
        outputs.RunAnswer,
        tools_runs.optimize,
        "adds",
        reaches_out=True,
    ),
    Entry(
        "resume",
        "Go on with a run",
        "Go on with a run that was interrupted, wait for one that is being worked on, or have a person asked what a "
        "waiting run wants to know.",
        inputs.ResumeInput,
        outputs.RunAnswer,
        tools_runs.resume,
        "adds",
        reaches_out=True,
    ),
    Entry(
        "answer",
        "Answer a run",
        "Give a person's answer to a run that waits (status `waiting`, see its `question`), and go on with it.",
        inputs.AnswerInput,
        outputs.RunAnswer,
        tools_runs.answer,
        "adds",
        reaches_out=True,
    ),
    Entry(
        "cancel",
        "Stop a run",
        "Stop the work on a run; what it found out is kept, and `resume` goes on with it.",
        inputs.RunInput,
        outputs.Cancelled,
        tools_runs.cancel,
        "stops",
    ),
    Entry(
        "runs",
        "List runs",
        "List the runs of this workspace, the latest first.",
        inputs.RunsInput,
        outputs.RunList,
        tools_past.runs,
    ),
    Entry(
        "report",
        "Report of a run",
        "What a finished run came to: bounds against measurements, every attempt, offers; and, named in `parts`, parts "
        "of its full report. The whole report is a resource, as JSON and as a page.",
        inputs.ReportInput,
        outputs.Report,
        tools_past.report,
    ),
    Entry(
        "explain",
        "Explain a run",
        "Why a run tried what it tried, what each attempt missed, and why something was not tried ('why not int4?'). "
        "From its trail; nothing is run.",
        inputs.ExplainInput,
        outputs.Explained,
        tools_past.explain,
    ),
    Entry(
        "what_if",
        "What other bounds would cost",
        "Judge what a run measured, and predict the rest, under changed bounds. Nothing is run.",
        inputs.WhatIfInput,
        outputs.Supposed,
        tools_past.what_if,
    ),
    Entry(
        "inspect",
        "Inspect a model",
        "What is in a model: inputs, outputs, operators with their share of time, what can be quantized or pruned.",
        inputs.InspectInput,
        outputs.Inspected,
        tools_models.inspect,
    ),
    Entry(
        "check",
        "Check a model",
        "Whether a model loads and runs in a runtime, and what stands in the way.",
        inputs.CheckInput,
        outputs.Checked,
        tools_models.check,
    ),
    Entry(
        "benchmark",
        "Benchmark two models",
        "Measure a candidate against its original in one process: speed with its interval, size, latency, memory, "
        "fidelity and, with labels, accuracy.",
        inputs.BenchmarkInput,
        outputs.Benchmarked,
        tools_models.benchmark,
    ),
    Entry(
        "understand",
        "Understand a request",
        "What words ask for, from which passage each field was read, and what was not understood. Runs nothing.",
        inputs.UnderstandInput,
        outputs.Understands,
        tools_models.understand,
        reaches_out=True,
    ),
    Entry(
        "recall",
        "Recall past runs",
        "What a run of this request would recall from memory, most similar first, and the plan it would try first.",
        inputs.RecallInput,
        outputs.Recollected,
        tools_models.recall,
        reaches_out=True,
    ),
)
