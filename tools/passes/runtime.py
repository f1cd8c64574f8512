"""Run onnxruntime's passes by name: its session rewrites a model at load and writes what came of it.

Only levels `basic` and `extended` are used; what the runtime lays out for one machine's vector width is level
`layout`, which never reaches a file. See https://onnxruntime.ai/docs/performance/model-optimizations/graph-optimizations.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from onnx import ModelProto

from ...contracts import GRAPH_PASSES, ToolError
from .. import weight_files
from ..model_files import load, save, save_briefly
from ..onnx_model import are_large, is_large, read_names, tensor_bytes
from ..session import open_session, runtime_errors, runtime_words, session_options

# What the runtime folds into the weights of the layer before.
_FOLDED = frozenset({"BatchNormalization", "Mul"})

# Every stock session does these at load at no cost to speed. In a file they would hide convolutions and matrix
# products from quantization, unfold weights that are stored small, fix 8-bit types for one processor, or freeze
# quantization nodes in a form that other runtimes do not know.
LEFT_TO_THE_RUNTIME = frozenset(
    {
        "Avx2WeightS8ToU8Transformer",
        "ConvActivationFusion",
        "ConvAddActivationFusion",
        "DQMatMulNBitsFusion",
        "DynamicQuantizeMatMulFusion",
        "FuseFp16InitializerToFp32NodeTransformer",
        "GemmActivationFusion",
        "MatMulActivationFusion",
        "MatMulIntegerToFloatFusion",
        "MatMulScaleFusion",
        "MatmulTransposeFusion",
        "QDQFinalCleanupTransformer",
        "QDQPropagationTransformer",
        "QDQS8ToU8Transformer",
        "QDQSelectorActionTransformer",
        "SimplifiedLayerNormFusion",  # its operator is written as a standard one and is none
        "WeightBiasQuantization",
    }
)


def run_in_session(model: ModelProto, names: Collection[str]) -> ModelProto:
    """Return what those of `names` that onnxruntime carries make of `model`; itself where it carries none.

    Raises:
        ToolError: the runtime refuses the model.
    """
    own = {name: each.family for name, each in GRAPH_PASSES.items() if each.carrier == "onnxruntime"}
    chosen = own.keys() & set(names)
    if not chosen:
        return model
    disabled = sorted(LEFT_TO_THE_RUNTIME | (own.keys() - chosen))
    layers = any(own[name] == "layer_optimization" for name in chosen)
    if not is_large(model):
        with TemporaryDirectory(prefix="shipfit-") as folder:
            made = _optimized(model, Path(folder), layers, disabled)
    else:
        beside = are_large(_folded_bytes(model))
        try:
            made = _optimized(model, weight_files.lasting_folder(), layers, disabled, beside=beside)
        except ToolError:  # the weights that it computed may be beyond protobuf's limit all the same
            if beside:
                raise
            made = _optimized(model, weight_files.lasting_folder(), layers, disabled, beside=True)
    _keep_unused(model, made)
    return made


def _folded_bytes(model: ModelProto) -> int:
    """Return the bytes of weights that the runtime computes anew where a scale behind them is folded into them."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    scaled = {name for node in model.graph.node if node.op_type in _FOLDED for name in node.input}
    folded = {name for node in model.graph.node if scaled.intersection(node.output) for name in node.input}
    return sum(tensor_bytes(weights[name]) for name in folded if name in weights)


def _optimized(
    model: ModelProto, folder: Path, layers: bool, disabled: Sequence[str], *, beside: bool = False
) -> ModelProto:
    """Return what a session made of `model`; weights that it leaves alone stay in the files in which they are.

    Args:
        model: with all its weights.
        folder: empty.
        layers: whether passes of the extended level are wanted.
        disabled: passes that are not.
        beside: have all weights written to a file of their own.
    """
    import onnxruntime as ort

    source, target = folder / "source.onnx", folder / "optimized.onnx"
    save_briefly(model, source)
    levels, options = ort.GraphOptimizationLevel, session_options()
    options.optimized_model_filepath = str(target)
    options.graph_optimization_level = levels.ORT_ENABLE_EXTENDED if layers else levels.ORT_ENABLE_BASIC
    if is_large(model):  # it is not run, so nothing needs to be packed for its kernels
        options.add_session_config_entry("session.disable_prepacking", "1")
    if beside:
        options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "optimized.data")
        options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
    open_session(source, options, list(disabled))
    return load(target)


def run_once(model: ModelProto, feeds: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the first output of a small model.

    Raises:
        ToolError: the runtime refuses it.
    """
    with TemporaryDirectory(prefix="shipfit-") as folder:
        path = Path(folder) / "model.onnx"
        save(model, path)
        try:
            return np.asarray(open_session(path).run(None, dict(feeds))[0])
        except runtime_errors() as error:
            raise ToolError(f"the model does not run: {runtime_words(error)}") from error


def _keep_unused(model: ModelProto, made: ModelProto) -> None:
    """Put back weights that nothing read before: the runtime drops them unasked, and that is a pass of its own."""
    idle = {each.name for each in model.graph.initializer} - read_names(model.graph)
    present = {each.name for each in (*made.graph.initializer, *made.graph.input)}
    made.graph.initializer.extend(each for each in model.graph.initializer if each.name in idle - present)
