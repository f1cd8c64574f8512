"""A worker whose tools misbehave: the tests start it in place of the product's."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from shipfit import contracts
from shipfit.contracts import AdviceReport, Interval, Progress
from shipfit.tools.context import ToolAnswer, ToolContext
from shipfit.tools.worker.child import main
from shipfit.tools.worker.launcher import serve
from shipfit.tools.worker.messages import encode
from shipfit.tools.worker.sandbox import confine

REPORT = AdviceReport(baseline_compressed_bytes=7, prunable_share=0.5, options=(), recommendation="ok")


def answer(context: ToolContext) -> ToolAnswer:
    folder = context.work / "model"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"model")
    sys.stdout.write("said to standard output")
    return ToolAnswer(report=REPORT, outputs={"model": folder})


def lists(context: ToolContext) -> ToolAnswer:
    folder = context.inputs["model"]
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    text = " ".join(f"{path.relative_to(folder).as_posix()}={path.read_text()}" for path in found)
    return ToolAnswer(report=REPORT.model_copy(update={"recommendation": text}))


def tells_and_sleeps(context: ToolContext) -> ToolAnswer:
    tell(context, str(os.getpid()))
    context.progress(Progress(tool="x", message="begun"))
    return sleeps_on()


def infinite(_: ToolContext) -> ToolAnswer:
    return ToolAnswer(report=Interval(low=float("-inf"), high=float("nan")))


def progress(context: ToolContext) -> ToolAnswer:
    for step in range(5):
        context.progress(Progress(tool="x", message=f"step {step} \x1b[31mred\nline", fraction=step / 4))
        time.sleep(0.11)
    return ToolAnswer(report=REPORT)


def segfault(_: ToolContext) -> ToolAnswer:
    os.write(2, b"\x1b[31mlast words\n")
    ctypes.string_at(0)
    raise AssertionError


def killed(_: ToolContext) -> ToolAnswer:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def leaves(_: ToolContext) -> ToolAnswer:
    os._exit(3)


def tell(context: ToolContext, pids: str) -> None:
    place = Path(context.job.params["pids"])
    place.with_suffix(".part").write_text(pids)
    place.with_suffix(".part").rename(place)  # whoever waits for it reads all of it


def sleeps(context: ToolContext) -> ToolAnswer:
    tell(context, str(os.getpid()))
    time.sleep(300)
    raise AssertionError


def lingers(context: ToolContext) -> ToolAnswer:
    """Answer once its launcher has gone."""
    guard = psutil.Process(os.getppid())
    launcher = guard.ppid()
    tell(context, str(os.getpid()))
    while guard.ppid() == launcher:
        time.sleep(0.02)
    return ToolAnswer(report=REPORT)


def waits(context: ToolContext) -> ToolAnswer:
    """Wait for the lock longer than the job may last, then answer."""
    started = time.monotonic()
    while (waited := time.monotonic() - started) < 7:
        context.progress(Progress(tool="x", message="waiting", waited_s=waited))
        time.sleep(0.2)
    return ToolAnswer(report=REPORT)


def boasts(context: ToolContext) -> ToolAnswer:
    """Claim to have waited for ever, then hang."""
    context.progress(Progress(tool="x", waited_s=1e9))
    time.sleep(300)
    raise AssertionError


def killed_once(context: ToolContext) -> ToolAnswer:
    return killed_times(context, 1)


def killed_thrice(context: ToolContext) -> ToolAnswer:
    return killed_times(context, 3)


def killed_times(context: ToolContext, times: int) -> ToolAnswer:
    """Die of SIGKILL so many times; how often it did is in a file that the tries share."""
    place = Path(context.job.params["pids"])
    known = place.read_text() if place.exists() else ""
    place.write_text(f"{known}x")
    if len(known) < times:
        os.kill(os.getpid(), signal.SIGKILL)
    return ToolAnswer(report=REPORT)


def hogs(context: ToolContext) -> ToolAnswer:
    held = [bytearray(os.urandom(1)) * 2**24 for _ in range(64)]
    time.sleep(300)
    raise AssertionError(len(held))


def hogs_below(_: ToolContext) -> ToolAnswer:
    code = "import time; held = bytearray(b'x') * 2**30; time.sleep(300)"
    subprocess.run([sys.executable, "-c", code], check=True)
    raise AssertionError


def garbage(_: ToolContext) -> ToolAnswer:
    os.write(ANSWERS, b"\xff\xfe{{{\n")
    time.sleep(300)
    raise AssertionError


def wrong_type(_: ToolContext) -> ToolAnswer:
    os.write(ANSWERS, encode("answer", {"report": [], "outputs": 3}))
    time.sleep(300)
    raise AssertionError


def wrong_progress(_: ToolContext) -> ToolAnswer:
    os.write(ANSWERS, encode("progress", {"tool": "x", "fraction": "half"}))
    time.sleep(300)
    raise AssertionError


def giant(_: ToolContext) -> ToolAnswer:
    return ToolAnswer(report=REPORT.model_copy(update={"recommendation": "x" * 2**20}))


def endless(_: ToolContext) -> ToolAnswer:
    while True:
        os.write(ANSWERS, b"x" * 2**16)


def chatters(_: ToolContext) -> ToolAnswer:
    for _line in range(4000):
        sys.stdout.write("y" * 1000)
    os._exit(5)


def symlink(context: ToolContext) -> ToolAnswer:
    folder = context.work / "model"
    folder.mkdir()
    (folder / "model.onnx").symlink_to("/etc/passwd")
    return ToolAnswer(report=REPORT, outputs={"model": folder})


def symlinked(context: ToolContext) -> ToolAnswer:
    (context.work / "model").symlink_to("/etc")
    return ToolAnswer(report=REPORT, outputs={"model": context.work / "model"})


def outside(_: ToolContext) -> ToolAnswer:
    return ToolAnswer(report=REPORT, outputs={"model": Path("/etc")})


def absent(context: ToolContext) -> ToolAnswer:
    return ToolAnswer(report=REPORT, outputs={"model": context.work / "nothing"})


def everything(context: ToolContext) -> ToolAnswer:
    return ToolAnswer(report=REPORT, outputs={"model": context.work / ".."})


def raises(context: ToolContext) -> ToolAnswer:
    raise getattr(contracts, context.job.params["error"])(
        "what is \x1b[1mwrong\nand more", details={"a\x07": [1, "b\x1b[0m"]}
    )


def bug(_: ToolContext) -> ToolAnswer:
    raise KeyError("the first line\nthe second")


def memory_error(_: ToolContext) -> ToolAnswer:
    raise MemoryError


def full_disk(_: ToolContext) -> ToolAnswer:
    raise OSError(28, "No space left on device")


def system_exit(_: ToolContext) -> ToolAnswer:
    sys.exit("done")


def outlives(context: ToolContext) -> ToolAnswer:
    """Start a process that detaches itself, and one that does not, and answer while they run."""
    code = "import time; time.sleep(300)"
    started = [subprocess.Popen([sys.executable, "-c", code], start_new_session=apart) for apart in (False, True)]
    tell(context, " ".join(str(process.pid) for process in started))
    return ToolAnswer(report=REPORT) if context.job.params["answers"] else sleeps_on()


def sleeps_on() -> ToolAnswer:
    time.sleep(300)
    raise AssertionError


def environment(_: ToolContext) -> ToolAnswer:
    try:
        socket.create_connection(("127.0.0.1", 9), timeout=2)
        reached = "connected"
    except OSError as error:
        reached = type(error).__name__
    words = {
        "names": " ".join(sorted(os.environ)),
        "cwd": os.getcwd(),
        "home": os.environ["HOME"],
        "temporary": tempfile.gettempdir(),
        "threads": os.environ["OMP_NUM_THREADS"],
        "interfaces": " ".join(name for _, name in socket.if_nameindex()),
        "stdin": str(len(sys.stdin.read())),
        "network": reached,
    }
    return ToolAnswer(
        report=REPORT.model_copy(update={"recommendation": "\n".join(f"{k}={v}" for k, v in words.items())})
    )


if __name__ == "__main__":
    tempfile.gettempdir()  # as what is imported may
    ANSWERS = serve(sys.argv[1:])
    main(confine(ANSWERS), lambda name: globals()[name])
