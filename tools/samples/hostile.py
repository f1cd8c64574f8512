"""Files that must be refused at the door. They are written here and never read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def escaping(target: Path) -> None:
    """Write a model whose weights are said to lie outside its folder."""
    weight = numpy_helper.from_array(np.ones((8, 8), np.float32), "w")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "../../outside.bin"
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "product")],
        "sample",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    target.write_bytes(model.SerializeToString())


def pickled(target: Path) -> None:
    """Write what unpickling would run as code: the text of a call to `os.getcwd`, which harms nobody."""
    target.write_bytes(b"\x80\x04cos\ngetcwd\n)R.")
