"""What speaks Ray may end at any moment; whoever spoke to it is told so, and nothing else."""

from __future__ import annotations

import pytest

from shipfit.tools.cluster.driver import Order
from shipfit.tools.cluster.link import Call, Gone, Link


def test_a_driver_that_was_killed_ends_calls_and_can_be_closed() -> None:
    link = Link("127.0.0.1:1")
    with Call(link, "nodes") as call:
        link._process.kill()
        with pytest.raises(Gone):
            list(call.heard(60.0))
    link.order(Order(do="cancel", call=1))
    link.close()
    assert link.ended
