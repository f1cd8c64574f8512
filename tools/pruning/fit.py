"""Choose the channels that are missed least, and fit the weight that reads them to what is left.

He, Zhang and Sun, "Channel pruning for accelerating very deep neural networks", ICCV 2017, with the second moments of
the inputs in place of the samples: least squares towards the outputs that all channels gave, bias included, with a
ridge towards the weights as they are. There is no training, and there are no labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..quantize.rounding import FloatArray

_RIDGE = 1e-4  # of the mean second moment
_Wide = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """What is left of a reader.

    Attributes:
        kept: indices of the channels, ascending.
        weight: `(outputs, kept, kernel…)`; `bias` of its outputs.
        fidelity_db: SQNR of its outputs on the samples that were fitted to.
    """

    kept: npt.NDArray[np.int64]
    weight: FloatArray
    bias: FloatArray
    fidelity_db: float


def fit(weight: FloatArray, bias: FloatArray, moment: FloatArray, keep: int) -> Fitted:
    """Return a reader of the `keep` channels that matter most.

    Args:
        weight: `(outputs, channels, kernel…)`.
        bias: `(outputs,)`.
        moment: mean of `x xᵀ` over its windows, the last element of which is one for the bias.
        keep: number of channels, at least one.
    """
    outputs, channels = weight.shape[:2]
    whole: _Wide = np.concatenate([weight.reshape(outputs, -1), bias[:, None]], axis=1).astype(np.float64)
    wide = moment.astype(np.float64)
    kept = _most(whole, wide, channels, keep)
    elements = np.arange(whole.shape[1] - 1).reshape(channels, -1)[kept].reshape(-1)
    columns = np.append(elements, whole.shape[1] - 1)
    inner = wide[np.ix_(columns, columns)]
    ridge = _RIDGE * max(float(np.trace(inner)) / len(columns), 1e-12)
    wanted = whole @ wide[:, columns] + ridge * whole[:, columns]
    found = np.asarray(np.linalg.solve(inner + ridge * np.eye(len(columns)), wanted.T).T, np.float64)
    left = whole.copy()
    left[:, columns] -= found
    return Fitted(
        kept,
        np.ascontiguousarray(found[:, :-1].reshape(outputs, keep, *weight.shape[2:]), np.float32),
        np.ascontiguousarray(found[:, -1], np.float32),
        _decibels(_power(whole, wide), _power(left, wide)),
    )


def _most(whole: _Wide, moment: _Wide, channels: int, keep: int) -> npt.NDArray[np.int64]:
    """Return the channels that say most that the bias and those chosen before do not, by how they are weighed.

    A pivoted Cholesky factorization of the channels' second moments, window elements summed: of two that are alike one
    is chosen, and one that is constant never before the others.
    """
    elements = (whole.shape[1] - 1) // channels
    blocks = moment[:-1, :-1].reshape(channels, elements, channels, elements)
    left = np.einsum("iaja->ij", blocks)
    power = ((whole[:, :-1] ** 2).sum(axis=0) * np.diag(moment)[:-1]).reshape(channels, -1).sum(axis=1)
    means = moment[:-1, -1].reshape(channels, elements).sum(axis=1)
    left = left - np.outer(means, means) / elements
    scale = np.sqrt(power / np.maximum(np.einsum("iaia->i", blocks), 1e-30))
    left = left * np.outer(scale, scale)
    chosen: list[int] = []
    for _ in range(keep):
        residual = np.diag(left).copy()
        residual[chosen] = -np.inf
        best = int(residual.argmax())
        chosen.append(best)
        if residual[best] > 0:
            left = left - np.outer(left[:, best], left[best]) / residual[best]
    return np.sort(np.asarray(chosen))


def _power(rows: _Wide, moment: _Wide) -> float:
    return float(np.einsum("ij,ij->", rows @ moment, rows))


def _decibels(signal: float, noise: float) -> float:
    return float(10 * np.log10(max(signal, 1e-30) / max(noise, 1e-30)))
