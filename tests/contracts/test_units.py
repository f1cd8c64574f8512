"""What people write is read, and what is printed is read again."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from shipfit.contracts import RequestError, units


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10MB", 10_000_000), ("10 MiB", 10 * 2**20), ("512 kB", 512_000), ("1.5gb", 1_500_000_000),
     ("1,000 bytes", 1000), ("2048", 2048), (4096, 4096), ("10mb", 10_000_000)],
)  # fmt: skip
def test_sizes(text: str | int, expected: int) -> None:
    assert units.parse_bytes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("50ms", 50), ("0.05 s", 50), ("200 µs", 0.2), ("5us", 0.005), ("1 min", 60_000), ("7", 7)]
)
def test_durations(text: str, expected: float) -> None:
    assert units.parse_milliseconds(text) == pytest.approx(expected)


@pytest.mark.parametrize(("text", "expected"), [("10m", 600), ("90 s", 90), ("1h", 3600), ("45", 45)])
def test_time_limits_are_in_seconds_and_m_is_minutes(text: str, expected: float) -> None:
    assert units.parse_seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize(("text", "expected"), [("99.5%", 0.995), ("0.995", 0.995), ("0.5 pt", 0.005), ("0", 0)])
def test_shares(text: str, expected: float) -> None:
    assert units.parse_share(text) == pytest.approx(expected)


@pytest.mark.parametrize(("text", "expected"), [("100/s", 100), ("6000 per minute", 100), ("30 fps", 30), ("12", 12)])
def test_rates(text: str, expected: float) -> None:
    assert units.parse_rate(text) == pytest.approx(expected)


def test_levels_and_factors() -> None:
    assert units.parse_decibels("30 dB") == 30
    assert units.parse_factor("2x") == 2
    assert units.parse_factor("150%") == pytest.approx(1.5)


@pytest.mark.parametrize(
    "text", ["", "ten", "3 parsecs", "-3MB", "0", "nan", "inf", "1e400MB", "1 MB/s", "--", "1.2.3"]
)
def test_what_is_no_size_is_refused_in_one_line_that_shows_how(text: str) -> None:
    with pytest.raises(RequestError) as refused:
        units.parse_bytes(text, "--max-size")
    assert "--max-size" in refused.value.message
    assert "\n" not in refused.value.message


@given(st.integers(1, 10**15))
def test_printed_sizes_are_read_again(size: int) -> None:
    assert units.parse_bytes(units.format_bytes(size)) == pytest.approx(size, rel=1e-3, abs=1)


@given(st.floats(1e-4, 1e7))
def test_printed_durations_are_read_again(duration: float) -> None:
    assert units.parse_milliseconds(units.format_milliseconds(duration)) == pytest.approx(duration, rel=1e-2)


@given(st.floats(1e-4, 10))
def test_printed_shares_are_read_again(share: float) -> None:
    assert units.parse_share(units.format_share(share)) == pytest.approx(share, rel=1e-3)


@given(st.text(max_size=30))
def test_no_text_breaks_the_reader(text: str) -> None:
    for parse in (units.parse_bytes, units.parse_seconds, units.parse_share, units.parse_rate, units.parse_factor):
        with suppress(RequestError):
            assert parse(text) == parse(text)


@given(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from(["bytes", "ms", "s", "fraction", "dB", "1/s"]))
def test_every_number_can_be_printed(value: float, unit: str) -> None:
    assert units.format_value(value, unit)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [(units.format_bytes(999), "999 B"), (units.format_bytes(1000), "1 kB"), (units.format_bytes(2_310_400), "2.31 MB"),
     (units.format_bytes(3.2e18), "3200 PB"), (units.format_bytes(0), "0 B"), (units.format_bytes(-1500), "-1.5 kB"),
     (units.format_milliseconds(0.25), "250 µs"), (units.format_milliseconds(1.5244), "1.524 ms"),
     (units.format_milliseconds(2000), "2 s"), (units.format_seconds(0.0078), "7.8 ms")],
)  # fmt: skip
def test_amounts_are_printed_with_the_prefix_that_people_use(shown: str, expected: str) -> None:
    assert shown == expected


def test_what_is_told_first_waits_for_no_library() -> None:
    """Words of a run are made while people wait for them: 370 ms went to a library for units, and to numpy below it."""
    code = (
        "import sys\nfrom shipfit.contracts import units\n"
        "units.format_bytes(units.parse_bytes('10 MB')), units.format_seconds(units.parse_milliseconds('3 s'))\n"
        "assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
