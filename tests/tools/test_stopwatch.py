import time

from shipfit.tools.stopwatch import MOST_WAITING, Stopwatch


def test_work_counts_and_waiting_counts_a_quarter() -> None:
    watch = Stopwatch()
    time.sleep(0.2)  # others have the processor
    waited = watch.seconds()
    assert waited >= 0.2 / MOST_WAITING
    begun = time.process_time()
    while time.process_time() - begun < 0.1:
        pass
    assert watch.seconds() >= waited
    assert watch.seconds() >= 0.1
