"""Files come out of a store, and of a node's cache, as they were put in, or not at all."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import TypeAdapter, ValidationError

from shipfit.contracts import MachineError, RequestError
from shipfit.tools.cluster.cache import Cache
from shipfit.tools.cluster.connect import check_address
from shipfit.tools.cluster.exchange import Exchange, check_store
from shipfit.tools.cluster.messages import Blob, Files

FILES: TypeAdapter[dict[str, Blob]] = TypeAdapter(Files)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exchange")


@settings(max_examples=40, deadline=None)
@given(contents=st.lists(st.binary(max_size=2000), min_size=1, max_size=4))
def test_what_was_put_comes_back(folder: Path, contents: list[bytes]) -> None:
    place = folder / os.urandom(8).hex()
    exchange = Exchange(f"file://{place}/store")
    place.mkdir()
    files: dict[str, Blob] = {}
    for number, content in enumerate(contents):
        (place / "given").write_bytes(content)
        files[f"{number}/ä {number}.bin"] = exchange.put(place / "given")
    cache = Cache(place / "cache", exchange)
    for name in ("first", "again"):
        cache.mount(files, place / name)
        for number, content in enumerate(contents):
            found = place / name / f"{number}" / f"ä {number}.bin"
            assert found.read_bytes() == content
            assert not found.stat().st_mode & stat.S_IWUSR
    distinct = {hashlib.sha256(content).hexdigest() for content in contents}
    assert {path.name for path in (place / "store").rglob("*") if path.is_file()} == distinct


@pytest.mark.parametrize("damage", [b"", b"other", b"contents and more"])
def test_damage_in_the_store_is_refused_and_leaves_nothing(tmp_path: Path, damage: bytes) -> None:
    exchange = Exchange(f"file://{tmp_path}/store")
    (tmp_path / "given").write_bytes(b"content")
    blob = exchange.put(tmp_path / "given")
    (place,) = (path for path in (tmp_path / "store").rglob("*") if path.is_file())
    place.unlink()
    place.write_bytes(damage)
    with pytest.raises(MachineError, match="lacks" if len(damage) != 7 else "damaged"):
        exchange.get(blob, tmp_path / "got")
    assert not list(tmp_path.glob("*got*"))
    assert not list(tmp_path.glob(".*"))
    assert exchange.put(tmp_path / "given") == blob  # which mends it
    exchange.get(blob, tmp_path / "got")
    place.unlink()
    place.write_bytes(b"CONTENT")
    with pytest.raises(MachineError, match="damaged"):
        exchange.get(blob, tmp_path / "other")


def test_what_is_sealed_on_one_disk_is_one_file(tmp_path: Path) -> None:
    exchange = Exchange(f"file://{tmp_path}/store")
    given = tmp_path / "given"
    given.write_bytes(b"content")
    given.chmod(0o444)
    blob = exchange.put(given)
    Cache(tmp_path / "cache", exchange).mount({"a": blob}, tmp_path / "job")
    exchange.get(blob, tmp_path / "got")
    assert (tmp_path / "job" / "a").samefile(given)
    assert (tmp_path / "got").samefile(given)
    assert exchange.put(tmp_path / "got") == blob
    assert not list(tmp_path.rglob("*.*"))


def test_a_name_in_the_store_that_leads_elsewhere_is_not_taken(tmp_path: Path) -> None:
    exchange = Exchange(f"file://{tmp_path}/store")
    (tmp_path / "given").write_bytes(b"content")
    (tmp_path / "elsewhere").write_bytes(b"content")
    blob = exchange.put(tmp_path / "given")
    (place,) = (path for path in (tmp_path / "store").rglob("*") if path.is_file())
    place.unlink()
    place.symlink_to(tmp_path / "elsewhere")
    exchange.get(blob, tmp_path / "got")
    assert not (tmp_path / "got").is_symlink()
    assert not (tmp_path / "got").samefile(tmp_path / "elsewhere")
    assert stat.S_IMODE((tmp_path / "elsewhere").stat().st_mode) & stat.S_IWUSR


def test_a_cached_file_that_was_changed_is_fetched_again(tmp_path: Path) -> None:
    exchange = Exchange(f"file://{tmp_path}/store")
    (tmp_path / "given").write_bytes(b"content")
    blob = exchange.put(tmp_path / "given")
    cache = Cache(tmp_path / "cache", exchange)
    cache.mount({"a": blob}, tmp_path / "one")
    (cached,) = (path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    cached.unlink()
    cached.write_bytes(b"changed")
    cache.mount({"a": blob}, tmp_path / "two")
    assert (tmp_path / "two" / "a").read_bytes() == b"content"


def test_a_cache_is_bounded_and_takes_nothing_from_jobs(tmp_path: Path) -> None:
    exchange = Exchange(f"file://{tmp_path}/store")
    cache = Cache(tmp_path / "cache", exchange, max_bytes=250)
    for number in range(5):
        (tmp_path / "given").write_bytes(bytes([number]) * 100)
        cache.mount({"a": exchange.put(tmp_path / "given")}, tmp_path / str(number))
    assert sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*") if path.is_file()) <= 250
    assert all((tmp_path / str(number) / "a").read_bytes() == bytes([number]) * 100 for number in range(5))


@given(name=st.one_of(st.text(max_size=40), st.lists(st.sampled_from(["..", ".", "", "a", "/", "b\\c"])).map("/".join)))
def test_names_stay_below_their_folder(name: str) -> None:
    try:
        FILES.validate_python({name: {"sha256": "ab" * 32, "size_bytes": 1}})
    except ValidationError:
        return
    base = Path("/base")
    assert Path(os.path.normpath(base / name)).relative_to(base).as_posix() == name


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/b",
        "s3://",
        "file://host/b",
        "file:relative",
        "file:///a/../b",
        "s3://key:secret@a/b",
        "s3://a?b",
        "x\x1b",
    ],
)
def test_a_store_that_is_none(url: str) -> None:
    with pytest.raises(RequestError, match="--store") as caught:
        check_store(url)
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize("address", ["", "auto", "a:0", "a:65536", "ray://a:1", "a", "a b:1", "a:1\n", "[::1]", "a:١"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(RequestError, match="--ray"):
        check_address(address)


@pytest.mark.parametrize(
    ("given", "host"), [("10.0.0.1:6379", "10.0.0.1"), ("[::1]:6379", "::1"), ("n-1.a:6379", "n-1.a")]
)
def test_an_address(given: str, host: str) -> None:
    assert check_address(given) == (host, 6379)


def test_a_store_that_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "given").write_bytes(b"content")
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match="cannot be read: Not a directory"):
        Exchange(f"file://{tmp_path}/file/store").put(tmp_path / "given")
