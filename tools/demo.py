"""Train a small model on real data, so that there is something to fit: the tool behind `shipfit demo`.

A plain convolutional network of 1.8 million parameters learns scikit-learn's digits (1,797 scans of 8×8
pixels). Half of them are held out and become the data that the demonstration is judged on.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..contracts import DemoReport, MissingExtraError, Progress, ProgressSink
from .context import MODEL_FILE, ToolAnswer, ToolContext, silent

DATA_FILE = "digits.npz"
INPUT, OUTPUT = "image", "scores"

# Output channels and stride of each 3×3 convolution. Wide layers on small maps: int8 gains most where a layer
# multiplies much and the layers are few.
_LAYERS = ((32, 1), (256, 1), (256, 1), (256, 1), (256, 2))
_CLASSES = 10
_TRAIN_SAMPLES = 900
_EPOCHS = 4
_BATCH = 20
_RATE = 0.03


def demo_tool(context: ToolContext) -> ToolAnswer:
    """Train the network with the job's seed, write it as ONNX and its held-out digits as `.npz`.

    Raises:
        MissingExtraError: scikit-learn, which holds the digits, is not installed.
    """
    started = time.perf_counter()
    model_folder, data_folder = context.work / "model", context.work / "data"
    model_folder.mkdir()
    data_folder.mkdir()
    images, labels = load_digits()
    train, test = held_out(labels, context.job.seed)
    network = train_network(images[train], labels[train], context.job.seed, context.progress)
    write_onnx(network, model_folder / MODEL_FILE)
    arrays: dict[str, Any] = {INPUT: images[test], "labels": labels[test]}
    np.savez(data_folder / DATA_FILE, **arrays)
    report = DemoReport(
        accuracy=_accuracy(network, images[test], labels[test]),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        samples=len(test),
        seconds=time.perf_counter() - started,
    )
    return ToolAnswer(report=report, outputs={"model": model_folder, "data": data_folder})


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the images (1797, 1, 8, 8), from 0 to 1, and their classes.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise MissingExtraError('the demo needs scikit-learn: pip install "shipfit[demo]"') from error
    bunch: Any = datasets.load_digits()
    images = np.asarray(bunch.images, np.float32)[:, np.newaxis] / np.float32(16)
    return images, np.asarray(bunch.target, np.int64)


def held_out(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which digits a model may be fitted on, and which are kept from it."""
    order = np.random.default_rng(seed).permutation(len(labels))
    return order[:_TRAIN_SAMPLES], order[_TRAIN_SAMPLES:]


def train_network(images: np.ndarray, labels: np.ndarray, seed: int, progress: ProgressSink = silent) -> Any:
    """Train the network on one thread, which repeats to the bit and does not stall on a busy machine."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    network = _network()
    optimizer = torch.optim.SGD(network.parameters(), lr=_RATE, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps = len(labels) // _BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=_EPOCHS * steps, pct_start=0.25)
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    network.train()
    for epoch in range(_EPOCHS):
        progress(Progress(tool="demo", message=f"epoch {epoch + 1} of {_EPOCHS}", fraction=epoch / _EPOCHS))
        for rows in torch.randperm(len(y))[: steps * _BATCH].reshape(steps, _BATCH):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(_shifted(x[rows])), y[rows]).backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def _network() -> Any:
    from torch import nn

    layers: list[nn.Module] = []
    channels = 1
    for width, stride in _LAYERS:
        layers += [nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, _CLASSES))


def _shifted(images: Any) -> Any:
    """Move a batch by at most one pixel each way; the digits' rims are empty."""
    import torch

    down, right = torch.randint(-1, 2, (2,)).tolist()
    return torch.roll(images, (down, right), (2, 3))


def _accuracy(network: Any, images: np.ndarray, labels: np.ndarray) -> float:
    import torch

    with torch.inference_mode():
        answers = torch.cat([network(part).argmax(1) for part in torch.from_numpy(images).split(64)])
    return float((answers.numpy() == labels).mean())


def write_onnx(network: Any, path: Path) -> None:
    """Write the trained network as ONNX opset 17 with a free batch axis, BatchNorm folded into the convolutions.

    The graph is built here because torch's own exporters are deprecated or need a package more.
    """
    import torch

    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    value = INPUT
    layers = list(network)
    for number in range(len(_LAYERS)):
        convolution, normalization = layers[3 * number], layers[3 * number + 1]
        fused = torch.nn.utils.fuse_conv_bn_eval(convolution, normalization)
        value = _add_convolution(nodes, weights, f"conv{number}", value, fused)
    dense = layers[-1]
    weights += [_tensor("dense.weight", dense.weight), _tensor("dense.bias", dense.bias)]
    nodes += [
        helper.make_node("GlobalAveragePool", [value], ["pooled"], "pool"),
        helper.make_node("Flatten", ["pooled"], ["features"], "flatten"),
        helper.make_node("Gemm", ["features", "dense.weight", "dense.bias"], [OUTPUT], "dense", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, ["batch", _CLASSES])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="shipfit")
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _add_convolution(
    nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto], name: str, value: str, layer: Any
) -> str:
    weights += [_tensor(f"{name}.weight", layer.weight), _tensor(f"{name}.bias", layer.bias)]
    inputs = [value, f"{name}.weight", f"{name}.bias"]
    strides, pads = list(layer.stride), [1, 1, 1, 1]
    nodes.append(helper.make_node("Conv", inputs, [f"{name}.sum"], name, strides=strides, pads=pads))
    nodes.append(helper.make_node("Relu", [f"{name}.sum"], [f"{name}.out"], f"{name}.relu"))
    return f"{name}.out"


def _tensor(name: str, value: Any) -> onnx.TensorProto:
    return numpy_helper.from_array(value.detach().numpy(), name)
