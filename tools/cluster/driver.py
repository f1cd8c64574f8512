"""`python -m shipfit.tools.cluster.driver ADDRESS [MODULE]`: the one process that speaks Ray.

A process of its own, because Ray ends the one that it is used in when the cluster goes away, writes to its output,
takes its signals, and unpickles whatever a node answers. It takes lines of JSON (`Order`) on standard input, ends with
it, and answers with lines of JSON (`Heard`). MODULE is what nodes run, for tests.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from importlib import import_module
from typing import Any, Literal

from ...contracts import Contract

NODE = "shipfit.tools.cluster.node"
# The longest text that is passed on, characters; a job bounds its own answer further.
MAX_TEXT = 16 * 2**20
# Of the resource that Ray gives to each node by itself; more than half, so that two never fit.
_SLOT = 0.51
_CONNECTED_S = 30.0


class NodeSeen(Contract):
    """A node that lives; `cpus` are those that it offers."""

    id: str
    address: str
    cpus: float


class Order(Contract):
    """What the driver is told: call a function on a node, cancel such a call, or name the nodes.

    Attributes:
        call: which one; nobody else uses its number.
        measures: the call takes the node's measuring slot.
    """

    do: Literal["run", "fetch", "facts", "cancel", "nodes"]
    call: int
    node: NodeSeen | None = None
    cpus: float = 1.0
    measures: bool = False
    text: str = ""


class Heard(Contract):
    """What the driver tells of a call: a text that its function gave, its end, or why it ended otherwise.

    `lost`: the node, or its process there, is gone. `broken`: the function failed, or gave no text.
    """

    kind: Literal["ready", "said", "end", "lost", "broken", "nodes"]
    call: int = 0
    text: str = ""
    nodes: tuple[NodeSeen, ...] = ()


class _Driver:
    def __init__(self, ray: Any, module: str, output: int) -> None:
        self._ray = ray
        node = import_module(module)
        self._functions = {name: ray.remote(getattr(node, name)) for name in ("run", "fetch", "facts")}
        self._output = output
        self._lock = threading.Lock()
        self._calls: dict[int, Any] = {}

    def tell(self, heard: Heard) -> None:
        line = memoryview(heard.model_dump_json().encode() + b"\n")
        with self._lock:
            while line:
                line = line[os.write(self._output, line) :]

    def obey(self, order: Order) -> None:
        if order.do == "nodes":
            self.tell(Heard(kind="nodes", call=order.call, nodes=self._nodes()))
        elif order.do == "cancel":
            if (running := self._calls.get(order.call)) is not None:
                self._ray.cancel(running, force=True)
        else:
            self._calls[order.call] = self._submit(order)
            threading.Thread(target=self._follow, args=(order.call,), daemon=True).start()

    def _nodes(self) -> tuple[NodeSeen, ...]:
        return tuple(
            NodeSeen(id=node["NodeID"], address=node["NodeManagerAddress"], cpus=node["Resources"].get("CPU", 0.0))
            for node in self._ray.nodes()
            if node["Alive"]
        )

    def _submit(self, order: Order) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        assert order.node is not None
        place = NodeAffinitySchedulingStrategy(order.node.id, soft=False)
        options = {
            "num_cpus": order.cpus,
            "num_returns": "streaming",
            "max_retries": 0,
            "scheduling_strategy": place,
            "resources": {f"node:{order.node.address}": _SLOT} if order.measures else {},
        }
        return self._functions[order.do].options(**options).remote(order.text)

    def _follow(self, call: int) -> None:
        from ray.exceptions import RayError, RayTaskError

        end = Heard(kind="broken", call=call, text="the process that speaks Ray failed")
        try:
            for reference in self._calls[call]:
                text = self._ray.get(reference)
                if not isinstance(text, str) or len(text) > MAX_TEXT:
                    self._ray.cancel(self._calls[call], force=True)
                    end = Heard(kind="broken", call=call, text="it gave what is no text, or too long")
                    break
                self.tell(Heard(kind="said", call=call, text=text))
            else:
                end = Heard(kind="end", call=call)
        except RayTaskError as error:
            end = Heard(kind="broken", call=call, text=_lines(error)[-1][:500])
        except RayError as error:
            end = Heard(kind="lost", call=call, text=_lines(error)[0][:500])
        finally:
            del self._calls[call]
            self.tell(end)


def _lines(error: Exception) -> list[str]:
    return str(error).strip().splitlines() or [type(error).__name__]


def main(address: str, module: str = NODE) -> None:
    """Connect, and obey until standard input ends."""
    output = os.dup(1)
    os.dup2(2, 1)  # what Ray prints is no answer
    import ray

    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    driver = _Driver(ray, module, output)
    driver.tell(Heard(kind="ready"))
    for line in sys.stdin:
        driver.obey(Order.model_validate_json(line))
    threading.Timer(_CONNECTED_S, os._exit, (1,)).start()
    ray.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
