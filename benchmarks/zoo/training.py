"""Train the zoo's own networks in seconds, the same every time, and write them as ONNX."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

_BATCH = 32


def train(
    make: Callable[[], nn.Module],
    inputs: np.ndarray,
    wanted: np.ndarray,
    epochs: int,
    loss: Callable[[Any, Any], Any] = nn.functional.cross_entropy,
    rate: float = 2e-3,
    seed: int = 0,
) -> nn.Module:
    """Return what `make` makes, trained with Adam under a one-cycle schedule on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return _train(make(), torch.from_numpy(inputs), torch.from_numpy(wanted), epochs, loss, rate)
    finally:
        torch.set_num_threads(threads)


def _train(network: nn.Module, inputs: Any, wanted: Any, epochs: int, loss: Any, rate: float) -> nn.Module:
    steps = len(inputs) // _BATCH
    optimizer = torch.optim.Adam(network.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * steps)
    network.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(inputs))[: steps * _BATCH].reshape(steps, _BATCH):
            optimizer.zero_grad()
            loss(network(inputs[rows]), wanted[rows]).backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def write_onnx(
    network: nn.Module,
    path: Path,
    examples: Sequence[np.ndarray],
    inputs: Sequence[str],
    outputs: Sequence[str],
    opset: int = 17,
    free: dict[str, dict[int, str]] | None = None,
) -> None:
    """Write a network through torch's TorchScript exporter, as most models in the wild were; the batch is free.

    Args:
        network: in evaluation mode.
        path: of the `.onnx` file.
        examples: one array an input.
        inputs: their names.
        outputs: their names.
        opset: version of the operator set.
        free: name → axis → name of the axis, for axes that are free besides the batch.
    """
    axes = {name: {0: "batch", **(free or {}).get(name, {})} for name in (*inputs, *outputs)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this exporter is deprecated, and says so at length
        torch.onnx.export(
            network,
            tuple(torch.from_numpy(example) for example in examples),
            str(path),
            dynamo=False,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=axes,
            opset_version=opset,
        )
