"""Leave attributes out that say what the operator does anyway; onnxruntime writes all of them when it saves a graph."""

from __future__ import annotations

from functools import cache

import onnx
from onnx import AttributeProto, ModelProto, NodeProto

from .onnx_model import is_standard, iter_nodes, opset


def drop_defaults(model: ModelProto) -> int:
    """Drop attributes of standard operators that equal their defaults, in place; return how many went."""
    version, dropped = opset(model), 0
    for node in iter_nodes(model):
        if is_standard(node):
            dropped += _drop(node, version)
    return dropped


def _drop(node: NodeProto, version: int) -> int:
    defaults = _defaults(node.op_type, version)
    idle = [index for index, each in enumerate(node.attribute) if defaults.get(each.name) == _content(each)]
    for index in reversed(idle):
        del node.attribute[index]
    return len(idle)


@cache
def _defaults(op_type: str, version: int) -> dict[str, bytes]:
    """Attribute → its default as bytes, for attributes that have one."""
    try:
        schema = onnx.defs.get_schema(op_type, version, "")
    except onnx.defs.SchemaError:
        return {}
    found = {name: each.default_value for name, each in schema.attributes.items()}
    return {name: _content(each) for name, each in found.items() if each.type != AttributeProto.UNDEFINED}


def _content(attribute: AttributeProto) -> bytes:
    bare = AttributeProto()
    bare.CopyFrom(attribute)
    bare.ClearField("name")
    bare.ClearField("doc_string")
    return bytes(bare.SerializeToString(deterministic=True))
