"""Normalize a model: what it computes stays, how it is written becomes what the other tools rely on.

Afterwards nodes come after what they read, weights are initializers (not Constant nodes, not computed from other
weights, not overridable inputs), every node has a name of its own, and the operator set is one that quantizers work on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from onnx import ModelProto

from ...contracts import DataView, Limits, NormalizeStep, StepReport, ToolError
from ..model_files import copy_files, load, save
from ..onnx_model import model_bytes, opset
from .constants import lift_constants
from .domains import unify_domains
from .equivalence import Equivalence
from .folding import fold_movements
from .inputs import fix_initializers
from .names import name_nodes
from .opsets import lift_opset
from .order import sort_nodes
from .remarks import drop_remarks
from .shapes import store_shapes
from .sharing import share_equal
from .unused import drop_unused

__all__ = ["normalize"]

# In order; each rewrites in place and says what it did. Sources of folded weights become unused.
_REWRITES: Sequence[Callable[[ModelProto], str | None]] = (
    drop_remarks,
    fix_initializers,
    lift_constants,
    drop_unused,
    fold_movements,
    drop_unused,
    share_equal,
    name_nodes,
)


def normalize(step: NormalizeStep, source: Path, target: Path, data: DataView | None, limits: Limits) -> StepReport:
    """Write the normalized model to `target`; a model that needs nothing is copied as it is.

    Raises:
        ModelFileError: `source` does not parse, or its graph has a cycle.
    """
    model, notes = load(source), list[str]()
    before = opset(model)
    order = sort_nodes(model)
    note = unify_domains(model, step.target_opset)
    lifted = _lifted(model, step, source, data, notes)
    done = [*_rewrite(lifted), *(each for each in (order, note) if each)]
    changed = bool(done) or opset(lifted) != before
    if changed:
        shaped, remark = store_shapes(lifted)
        save(shaped, target)
        notes += [*done, *([remark] if remark else [])]
    else:
        copy_files(source, target)
        notes.append("nothing to normalize")
    details = {"opset_before": before, "opset": opset(lifted)}
    return StepReport(step=step, changed=changed, notes=tuple(notes), details=details, size_bytes=model_bytes(target))


def _rewrite(model: ModelProto) -> list[str]:
    return [note for rewrite in _REWRITES if (note := rewrite(model)) is not None]


def _lifted(
    model: ModelProto, step: NormalizeStep, source: Path, data: DataView | None, notes: list[str]
) -> ModelProto:
    """Lift the opset where it is needed and the result still answers the same; else say so and leave it."""
    try:
        lifted, note = lift_opset(model, step.min_opset, step.target_opset)
        if note is None:
            return model
        Equivalence(source, data).check(lifted)
    except ToolError as error:
        notes.append(f"opset {opset(model)} is kept: {error.message}")
        return model
    notes.append(note)
    return lifted
