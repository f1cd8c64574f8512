"""The plan space of random and TPE: choices by operator class, in the same language that the built-in policy plans in.

| choice | values | where |
|---|---|---|
| `passes` | graph passes before quantization, or none | always |
| `storage` | form of weights that nothing computes with: `none`, `fp16`, `int8`, `int8_block`, and `int4` where the request allows 4 bits | always |
| `convolution` | `float`, `static` | models with convolutions |
| `product` | `float`, `static`, `dynamic` | models with matrix products |
| `recurrent` | `float`, `dynamic` | models with an LSTM |
| `calibration` | `minmax`, `entropy`, `percentile`, `mse` | where something is static |
| `per_unit` | take these forms for every unit, or only where they pay, to keep 20, 30 or 40 dB within the request's bounds on size and speed (a mixture) | always |

Dynamic convolutions are left out: everybody knows them to be slow. Nothing of what the built-in policy expects of a
plan, or has learned, is in here.
"""  # noqa: E501 - a table

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shipfit.agents.search import priors
from shipfit.contracts import GraphLever, Plan, PolicyState, QuantizeLever

# Choice → what may be chosen.
Space = dict[str, tuple[str, ...]]
Choices = Mapping[str, str]

_CLASSES = {"convolution": priors.CONVOLUTIONS, "product": priors.PRODUCTS, "recurrent": priors.RECURRENT}
_FORMS = {
    "convolution": ("float", "static"),
    "product": ("float", "static", "dynamic"),
    "recurrent": ("float", "dynamic"),
}
_WHOLE = "no"


def space(state: PolicyState) -> Space:
    """Return what there is to choose for a model and a request."""
    present = {name: forms for name, forms in _FORMS.items() if operators(name, state)}
    stored = ("none", "fp16", "int8", "int8_block")
    bits = state.request.optimization.lowest_bits
    found: Space = {"passes": ("no", "yes"), "storage": (*stored, "int4") if bits <= 4 else stored, **present}
    if any("static" in forms for forms in present.values()):
        found["calibration"] = ("minmax", "entropy", "percentile", "mse")
    return {**found, "per_unit": (_WHOLE, "20", "30", "40")}


def operators(kind: str, state: PolicyState) -> list[str]:
    """Return the operator types of a class that the model has."""
    return [name for name in _CLASSES[kind] if state.profile.operator(name) is not None]


def plan(choices: Choices, state: PolicyState) -> Plan:
    """Return the plan of these choices; what does not matter for it is left as it is by default."""
    graph = GraphLever(**state.request.optimization.graph.model_dump()).model_copy(update={"layer_optimization": False})
    return Plan(graph=graph if choices["passes"] == "yes" else None, quantize=_lever(choices, state))


def _lever(choices: Choices, state: PolicyState) -> QuantizeLever | None:
    compute = {
        op_type: choices[kind]
        for kind in _CLASSES
        if choices.get(kind, "float") != "float"
        for op_type in operators(kind, state)
    }
    if not compute and choices["storage"] == "none":
        return None
    fields: dict[str, Any] = {"compute": compute, "storage": choices["storage"]}
    if "static" in compute.values():
        fields["calibration"] = choices["calibration"]
    if choices["per_unit"] != _WHOLE:
        bounds = state.request.constraints
        fields |= {"mixture": True, "min_fidelity_db": float(choices["per_unit"])}
        fields |= {"max_size_ratio": bounds.max_size_ratio, "min_speedup": bounds.min_speedup if compute else None}
    return QuantizeLever.model_validate(fields)
