"""CPU time of one run among several in a process."""

from __future__ import annotations

import threading
import time

from shipfit.agents.cpu import CpuMeter


def burn(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_threads_count_for_their_own_run():
    busy, idle = CpuMeter(alone=False), CpuMeter(alone=False)

    def work(meter: CpuMeter, seconds: float) -> None:
        with meter.counted():
            burn(seconds)
            with meter.imports():
                burn(seconds)

    threads = [threading.Thread(target=work, args=pair) for pair in ((busy, 0.2), (idle, 0.0))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.2 <= busy.own_s < 0.35
    assert 0.2 <= busy.imports_s < 0.35
    assert idle.own_s < 0.05


def test_alone_everything_is_the_runs():
    meter = CpuMeter()
    before = meter.own_s
    thread = threading.Thread(target=burn, args=(0.1,))
    thread.start()
    thread.join()
    assert meter.own_s >= before + 0.1
