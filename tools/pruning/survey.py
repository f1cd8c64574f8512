"""What is to be known before channels are chosen: which groups can lose any, why others cannot, what nodes take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from onnx import ModelProto

from ...contracts import TIMED_BY_UNIT_BYTES
from ..normalize.constants import lift_constants
from ..normalize.names import name_nodes
from ..onnx_model import weight_bytes
from ..quantize.calibrate import Feeds
from ..unit_times.profiles import profile_units
from ..unit_times.regions import divide
from .coupling import Couplings, Group

# What takes time of its own; the rest counts to what it follows.
_HEAVY = frozenset(
    {"Attention", "Conv", "ConvTranspose", "Einsum", "GRU", "Gemm", "LSTM", "LayerNormalization", "MatMul",
     "MultiHeadAttention", "RNN", "ReduceMean", "Resize", "Softmax"}
)  # fmt: skip


def prepare(model: ModelProto) -> None:
    """Make a loaded model in place what groups are found in and nodes are told apart in."""
    lift_constants(model)
    name_nodes(model)


def why_frozen(found: Couplings) -> dict[str, int]:
    """Return how many tensors or nodes keep their channels for each reason, the most frequent first."""
    return dict(Counter(each.reason for each in found.frozen).most_common())


def node_times(model: ModelProto, groups: Sequence[Group], feeds: Feeds) -> dict[str, float]:
    """Return the microseconds of each node that reads a weight of a group or is heavy, with what follows it.

    None where the model is too large for protobuf, or there is nothing to run it on.
    """
    if not len(feeds) or weight_bytes(model) > TIMED_BY_UNIT_BYTES:
        return {}
    weights = {member.initializer for group in groups for member in group.members}
    timed = [node.name for node in model.graph.node if node.op_type in _HEAVY or weights.intersection(node.input)]
    return profile_units(model, divide(model, timed), frozenset(), feeds).units
