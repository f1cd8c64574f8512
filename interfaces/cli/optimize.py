"""`shipfit optimize`: fit a model to its bounds, or hand it back with the evidence."""

from __future__ import annotations

from . import options as opt


def optimize(
    model: opt.OptionalModel = None,
    words: opt.Words = None,
    data: opt.Data = None,
    calibration_data: opt.CalibrationData = None,
    config: opt.Config = None,
    metric: opt.Metric = None,
    output: opt.OutputName = None,
    shape: opt.Shape = None,
    threads: opt.Threads = None,
    max_size: opt.MaxSize = None,
    max_memory: opt.MaxMemory = None,
    max_latency: opt.MaxLatency = None,
    latency_statistic: opt.LatencyStatistic = None,
    min_speedup: opt.MinSpeedup = None,
    min_throughput: opt.MinThroughput = None,
    min_accuracy: opt.MinAccuracy = None,
    max_drop: opt.MaxDrop = None,
    min_fidelity: opt.MinFidelity = None,
    min_logits_fidelity: opt.MinLogitsFidelity = None,
    allow_regression: opt.AllowRegression = None,
    strict_accuracy: opt.StrictAccuracy = None,
    platform: opt.PlatformName = None,
    runtime: opt.Runtime = None,
    level: opt.Level = None,
    forbid: opt.Forbid = None,
    objective: opt.Objective = None,
    max_attempts: opt.MaxAttempts = None,
    time_limit: opt.TimeLimit = None,
    seed: opt.Seed = None,
    no_memory: opt.NoMemory = None,
    llm: opt.Llm = None,
    llm_required: opt.LlmRequired = None,
    approve: opt.Approve = None,
    dry_run: opt.DryRun = False,
    trace: opt.Trace = None,
    out: opt.Out = None,
    json: opt.Json = False,
) -> int:
    """Fit MODEL to its bounds, measured, or hand back the original with the nearest offers."""
    given = dict(locals())  # every option by its Python name; build_request picks those that are part of a request
    from .request import build_request
    from .seam import open_reader

    reader = open_reader()
    request = build_request(given, config, reader)
    if dry_run:
        from .dry_run import show_dry_run

        return show_dry_run(request, json)
    from .run import start_run

    return start_run(request, json, reader.advised, trace)
