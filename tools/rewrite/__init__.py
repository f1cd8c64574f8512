"""Lossless rewriting: one rewrite per file, each with what it looks for, what it makes of it, and when.

A rewrite changes a model in place and says how many places it found. They are applied in the order of this list, each
result compared with the model before it (`run`), and those whose gain depends on the runtime are timed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .affine_after import fold_affine_after
from .affine_as_conv import affine_as_conv
from .affine_before import fold_affine_before
from .affine_past import fold_affine_past
from .align_channels import align_channels
from .attention import fuse_attention
from .attention_weights import fuse_attention_weights
from .cancel_transposes import cancel_transposes
from .crop_kernel import crop_kernels
from .drop_expand import drop_expand
from .factor_gate import factor_gate
from .gelu import fuse_fast_gelu, fuse_gelu
from .hard_sigmoid import fuse_hard_sigmoid
from .hard_swish import fuse_hard_swish
from .known_shapes import fold_known_shapes
from .last_state import take_last_state
from .layer_norm import fuse_layer_norm
from .merge_layers import merge_layers
from .nearest_resize import round_down_resize
from .one_hot import gather_one_hot
from .pad_channels import pad_channels
from .planar_conv import planar_conv
from .pool_mean import pool_mean
from .rectifier import fuse_rectifiers
from .rms_norm import spell_rms_norm
from .row_tables import fold_row_tables
from .share_work import share_work
from .sigmoid import fuse_sigmoid
from .slice_before_conv import slice_before_conv
from .softmax import fuse_softmax
from .state_shapes import state_shapes
from .sum_before_norm import sum_before_norm
from .zero_states import drop_zero_states


@dataclass(frozen=True)
class Rewrite:
    """A rewrite by name.

    Attributes:
        name: as in the catalogue of graph passes.
        apply: rewrites in place, and returns in how many places.
        timed: whether it is kept only where it is faster here; a recipe that names it runs it without timing.
        int8: operators that it concerns which mostly end up in dynamic int8: that form is timed as well, and it is kept
            where one of the two is faster and neither slower.
        grows: whether it trades size for speed; `apply` then takes the bytes by which the model may grow, too.
    """

    name: str
    apply: Callable[..., int]
    timed: bool = False
    int8: tuple[str, ...] = ()
    grows: bool = False


# What is one operator is recognised first, while its parts still stand as they were written.
REWRITES: Sequence[Rewrite] = (
    Rewrite("fold_known_shapes", fold_known_shapes),
    Rewrite("drop_zero_states", drop_zero_states),
    Rewrite("take_last_state", take_last_state),
    Rewrite("gather_one_hot", gather_one_hot),
    Rewrite("fold_row_tables", fold_row_tables),
    Rewrite("fuse_sigmoid", fuse_sigmoid),
    Rewrite("fuse_gelu", fuse_gelu),
    Rewrite("fuse_fast_gelu", fuse_fast_gelu, timed=True),
    Rewrite("fuse_layer_norm", fuse_layer_norm),
    Rewrite("spell_rms_norm", spell_rms_norm),
    Rewrite("fuse_softmax", fuse_softmax),
    Rewrite("fuse_attention", fuse_attention),
    Rewrite("fuse_attention_weights", fuse_attention_weights, timed=True, int8=("Attention", "MatMul")),
    Rewrite("fuse_hard_swish", fuse_hard_swish),
    Rewrite("fuse_hard_sigmoid", fuse_hard_sigmoid),
    Rewrite("fuse_rectifiers", fuse_rectifiers),
    Rewrite("cancel_transposes", cancel_transposes),
    Rewrite("drop_expand", drop_expand),
    Rewrite("pool_mean", pool_mean),
    Rewrite("round_down_resize", round_down_resize),
    Rewrite("fold_affine_after", fold_affine_after),
    Rewrite("fold_affine_before", fold_affine_before),
    Rewrite("fold_affine_past", fold_affine_past),
    Rewrite("merge_layers", merge_layers),
    Rewrite("factor_gate", factor_gate),
    Rewrite("slice_before_conv", slice_before_conv),
    Rewrite("crop_kernels", crop_kernels),
    Rewrite("planar_conv", planar_conv, timed=True),
    Rewrite("affine_as_conv", affine_as_conv, timed=True),
    Rewrite("align_channels", align_channels, timed=True, grows=True),
    Rewrite("pad_channels", pad_channels, timed=True),
    Rewrite("share_work", share_work),
    Rewrite("sum_before_norm", sum_before_norm),
    Rewrite("state_shapes", state_shapes),
)
