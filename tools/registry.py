"""Which function serves which tool and which step; looked up by name, imported at use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, cast

from ..contracts import RequestError, ToolError, Transformation
from .context import ToolAnswer, ToolContext

Tool = Callable[[ToolContext], ToolAnswer]


@dataclass(frozen=True)
class ToolSpec:
    """A registered tool.

    Attributes:
        home: `module:function`, relative to this package.
        version: part of every execution key; raise it when the same input gives another output.
        needs: `bench` tools measure time.
        cached: whether an equal key may be answered from the store; `run`: only within the same run, because the
            key does not hold all that decides (a file outside of the store).
        lasting: what it times steers a search and decides nothing, so that a later run on the same machine may have
            it from the store.
    """

    home: str
    version: int = 1
    needs: Literal["cpu", "bench"] = "cpu"
    cached: bool | Literal["run"] = True
    lasting: bool = False


TOOLS: dict[str, ToolSpec] = {
    "admit": ToolSpec(".admit:admit_tool", cached="run"),
    "data": ToolSpec(".measure.data_tool:data_tool", cached="run"),
    "inspect": ToolSpec(".inspect:inspect_tool"),
    "perform": ToolSpec(".perform:perform_tool", version=5),
    "sensitivity": ToolSpec(".quantize.sensitivity:sensitivity_tool", version=6),
    "mixture": ToolSpec(".mixture.tool:mixture_tool"),
    "unit_times": ToolSpec(".unit_times:unit_times_tool", version=2, needs="bench", lasting=True),
    "advise": ToolSpec(".prune:advise_tool"),
    "evaluate": ToolSpec(".measure.evaluate:evaluate_tool", version=7),
    "benchmark": ToolSpec(".measure.benchmark:benchmark_tool", needs="bench"),
    "probe": ToolSpec(".measure.host_probe:probe_tool", needs="bench", cached=False),
    "layers": ToolSpec(".layers:layers_tool", version=2),
    "check": ToolSpec(".check:check_tool"),
    "demo": ToolSpec(".demo:demo_tool"),
    "sample": ToolSpec(".samples.tool:sample_tool"),
}

STEPS: dict[str, str] = {
    "normalize": ".normalize:normalize",
    "prune": ".prune:prune",
    "quantize": ".quantize:quantize",
    "optimize_graph": ".graph:optimize_graph",
    "tune_runtime": ".measure.tune:tune_runtime",
}

# The same steps for exported torch programs.
TORCH_STEPS: dict[str, str] = {
    "export": ".pytorch.export_step:export",
    "prune": ".pytorch.prune:prune",
    "quantize": ".pytorch.quantize:quantize",
    "optimize_graph": ".pytorch.graph:optimize_graph",
}


def _load(home: str) -> Any:
    module, _, name = home.partition(":")
    return getattr(import_module(module, __package__), name)


def import_homes() -> None:
    """Import the modules of all tools and of the steps for ONNX models.

    A launcher does so before it forks, so none of them may start a thread, which would not live on in a child:
    onnxruntime, torch and scipy are imported where they are used.
    """
    import_module("numpy.ma")  # at the first median or quantile numpy does so itself, which would be once a child
    for home in (*(tool.home for tool in TOOLS.values()), *STEPS.values()):
        import_module(home.partition(":")[0], __package__)


def spec(name: str) -> ToolSpec:
    """Return the registration of tool `name`.

    Raises:
        RequestError: no such tool.
    """
    if name not in TOOLS:
        raise RequestError(f"there is no tool {name!r}; there are {', '.join(sorted(TOOLS))}")
    return TOOLS[name]


def tool(name: str) -> Tool:
    """Return the function of tool `name`, importing its module."""
    return cast(Tool, _load(spec(name).home))


def transformation(kind: str, suffix: str = ".onnx") -> Transformation:
    """Return the function that performs steps of `kind` on models of the file type `suffix`, importing its module.

    Raises:
        ToolError: models of this type know no such step.
    """
    homes, what = (TORCH_STEPS, "torch programs") if suffix == ".pt2" else (STEPS, "ONNX models")
    if kind not in homes:
        raise ToolError(f"{what} know no step {kind!r}; they know {', '.join(sorted(homes))}")
    return cast(Transformation, _load(homes[kind]))
