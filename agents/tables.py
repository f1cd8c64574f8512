"""Tables that are only looked up: whether they stay in memory as they are stored."""

from __future__ import annotations

from ..contracts import Compute, Profile, Request, Storage

HEAVY_SHARE = 0.02
# A row that unfolds as it is read takes up to twice the time; of less than this share of a call nobody notices that.
UNNOTICED_SHARE = 0.05


def held_tables(storage: Storage, profile: Profile, request: Request) -> dict[str, Compute]:
    """Return the form of compute that leaves tables as `storage` has them, empty where they should unfold at load.

    That is a matter of memory: for tables worth the trouble, in a runtime that has the kernels, where it takes no time.
    Tables that are too large to unfold at load have no other small form.
    """
    gather = profile.operator("Gather")
    if gather is None or storage == "none" or profile.format != "onnx" or request.target.runtime != "onnx":
        return {}
    heavy = gather.weight_bytes >= HEAVY_SHARE * profile.weight_bytes
    if profile.huge_table_bytes:
        return {"Gather": "dynamic"}  # they are held as they are stored, or not stored small at all
    quick = gather.time_share is not None and gather.time_share < UNNOTICED_SHARE
    return {"Gather": "dynamic"} if heavy and quick else {}
