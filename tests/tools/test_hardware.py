import re

import pytest

from shipfit.tools import hardware

CPUINFO = "processor : 0\nmodel name\t: Some CPU\nflags\t\t: fpu avx2 {flags}\n\nprocessor : 1\nmodel name : Other\n"


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch, tmp_path):
    """Pretend to be another CPU."""

    def pretend(flags: str) -> None:
        path = tmp_path / "cpuinfo"
        path.write_text(CPUINFO.format(flags=flags))
        monkeypatch.setattr(hardware, "_CPUINFO", path)
        forget()

    yield pretend
    monkeypatch.undo()
    forget()


def forget() -> None:
    for each in (hardware._cpuinfo, hardware._flags, hardware.fingerprint):
        each.cache_clear()


def test_this_machine():
    assert re.fullmatch(r"[0-9a-f]{12}", hardware.fingerprint())
    facts = hardware.describe()
    assert int(facts["cores"]) >= 1
    assert facts["architecture"]


def test_vnni(cpu):
    cpu("avx512_vnni")
    assert hardware.has_vnni()
    assert hardware.describe()["instruction_sets"] == "avx2 avx512_vnni"
    assert hardware.describe()["cpu"] == "Some CPU"
    first = hardware.fingerprint()
    cpu("sse4_2")
    assert not hardware.has_vnni()
    assert hardware.fingerprint() != first


def test_no_cpuinfo(monkeypatch: pytest.MonkeyPatch, tmp_path, cpu):
    cpu("")
    monkeypatch.setattr(hardware, "_CPUINFO", tmp_path / "absent")
    forget()
    assert not hardware.has_vnni()
    assert hardware.describe()["cpu"]
