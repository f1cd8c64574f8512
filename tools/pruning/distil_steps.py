"""Adam, with rates that are shares of each weight's own size, and a schedule over the time there is.

torch's own optimizers import its compiler at their first step, which takes seconds that training does not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi

import torch
from torch import Tensor, nn

_FIRST, _SECOND, _LEAST = 0.9, 0.99, 1e-8
# A weight that starts at zero is taken to be this much of the largest.
_SMALLEST = 1e-3
# A batch that is out of the ordinary moves the weights no more than others.
_MOST = 1.0


class Adam:
    """Steps of Kingma and Ba (2015)."""

    def __init__(self, weights: Sequence[nn.Parameter]) -> None:
        self._weights = weights
        sizes = [float(weight.detach().square().mean().sqrt()) for weight in weights]
        least = _SMALLEST * max(sizes)
        self._sizes = [max(size, least) for size in sizes]
        self._means = [torch.zeros_like(weight) for weight in weights]
        self._squares = [torch.zeros_like(weight) for weight in weights]
        self._steps = 0

    def clear(self) -> None:
        for weight in self._weights:
            weight.grad = None

    def step(self, rate: float) -> None:
        """Move each weight by about `rate` of its size."""
        self._steps += 1
        with torch.no_grad():
            shrink = _shrink([weight.grad for weight in self._weights if weight.grad is not None])
            for index, weight in enumerate(self._weights):
                if weight.grad is not None:
                    self._move(index, weight, weight.grad * shrink, rate)

    def _move(self, index: int, weight: Tensor, gradient: Tensor, rate: float) -> None:
        mean, square = self._means[index], self._squares[index]
        mean.lerp_(gradient, 1 - _FIRST)
        square.mul_(_SECOND).addcmul_(gradient, gradient, value=1 - _SECOND)
        spread = (square / (1 - _SECOND**self._steps)).sqrt_().add_(_LEAST)
        weight.addcdiv_(mean, spread, value=-rate * self._sizes[index] / (1 - _FIRST**self._steps))


def _shrink(gradients: Sequence[Tensor]) -> float:
    size = sum(float(each.square().sum()) for each in gradients) ** 0.5
    return min(1.0, _MOST / size) if size else 1.0


def schedule(done: float, warm_up: float) -> float:
    """Return the share of the rate after a share of the time: up along a line, then down along a cosine."""
    return done / warm_up if done < warm_up else 0.5 * (1 + cos(pi * (done - warm_up) / (1 - warm_up)))
