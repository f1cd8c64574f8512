"""What the options of `ONNXOptimizer` did, in words."""

from __future__ import annotations

from ..contracts import GRAPH_PASSES, QuantizeStep, StepReport


def effect(names: tuple[str, ...], report: StepReport | None) -> str:
    """Say what the passes `names` changed, or why nothing came of them."""
    details = report.details if report else {"passes": {}, "left_out": {}}
    keys = [key for name in names for key in (name, GRAPH_PASSES[name].carrier)]
    changes = [details["passes"][key] for key in dict.fromkeys(keys) if key in details["passes"]]
    if changes:
        return "; ".join(", ".join(f"{count:+d} {op}" for op, count in each.items()) or "rewired" for each in changes)
    reasons = [details["left_out"][name] for name in names if name in details["left_out"]]
    return f"left out: {reasons[0]}" if reasons else "nothing to do"


def chosen_forms(report: StepReport) -> dict[str, str]:
    """Say of each option of quantization what it came to."""
    step = report.step
    if not isinstance(step, QuantizeStep):
        raise TypeError(f"the report of a {step.kind} step is not one of quantization")
    static = "static" in step.compute.values()
    units = ", ".join(f"{count} × {form}" for form, count in report.details["units"].items())
    effects = {"forms": units, "per_channel": "one scale per output channel" if step.per_channel else "one per weight"}
    if step.storage in ("int4", "int8_block") or step.rounding != "nearest":
        effects["storage"] = f"{step.storage}, blocks of {step.block}, rounding {step.rounding}"
    if static:
        effects["types"] = f"{step.activations} activations, {step.weights} weights"
        effects["calibration_method"] = f"{step.calibration} over {report.details['calibration_samples']} samples"
    return effects
