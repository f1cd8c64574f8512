from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shipfit.contracts import DataError, Preprocess
from shipfit.tools.measure.sources import images, read_source
from shipfit.tools.measure.sources.images import read_image, resolve
from shipfit.tools.measure.sources.sample import Wanted
from shipfit.tools.measure.synthesize import InputSpec


def spec(*shape: int | str, dtype: type = np.float32) -> InputSpec:
    return InputSpec("image", np.dtype(dtype), shape)


def picture(path: Path, size: tuple[int, int] = (8, 6), seed: int = 0) -> np.ndarray:
    """Write a picture of `size` (width, height) and return its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def one(path: Path, given: Preprocess, wanted: InputSpec) -> np.ndarray:
    return read_image(path, resolve(given, wanted), path.name)


def test_every_field_of_the_preprocessing(tmp_path: Path):
    pixels = picture(tmp_path / "a.png").astype(np.float32)
    plain = one(tmp_path / "a.png", Preprocess(), spec(1, 3, 6, 8))
    np.testing.assert_allclose(plain, pixels.transpose(2, 0, 1) / 255, rtol=1e-6)
    last = one(tmp_path / "a.png", Preprocess.model_validate({"layout": "NHWC", "scale": "1/1"}), spec("n", 6, 8, 3))
    np.testing.assert_array_equal(last, pixels)
    given = Preprocess(channels="BGR", mean=(0.1, 0.2, 0.3), std=(0.5,))
    blue = one(tmp_path / "a.png", given, spec(1, 3, 6, 8))
    np.testing.assert_allclose(blue[0], (pixels[..., 2] / 255 - 0.1) / 0.5, rtol=1e-5, atol=1e-6)
    whole = one(tmp_path / "a.png", Preprocess(), spec(1, 6, 8, 3, dtype=np.uint8))
    np.testing.assert_array_equal(whole, pixels)
    assert one(tmp_path / "a.png", Preprocess(), spec(1, 1, 6, 8)).shape == (1, 6, 8)


def test_ways_to_resize(tmp_path: Path):
    path = tmp_path / "wide.png"
    Image.new("RGB", (80, 40), (255, 255, 255)).save(path)
    shapes = {}
    for way in ("stretch", "crop", "pad"):
        array = one(path, Preprocess(size=(20, 20), resize=way), spec(1, 3, "h", "w"))
        assert array.shape == (3, 20, 20)
        shapes[way] = float(array.mean())
    assert shapes["stretch"] == shapes["crop"] == 1
    assert shapes["pad"] == pytest.approx(0.5)  # black above and below


def test_folders_are_classes(tmp_path: Path):
    for number, name in enumerate(("cat", "dog", "ant")):
        picture(tmp_path / name / f"{number}.jpg", seed=number)
        picture(tmp_path / name / f"{number}.bmp", seed=number + 10)
    wanted = Wanted((spec(1, 3, 6, 8),))
    found = list(read_source(str(tmp_path), wanted))
    assert {sample.where.split("/")[1]: int(sample.label) for sample in found if sample.label is not None} == {
        "ant": 0, "cat": 1, "dog": 2,
    }  # fmt: skip
    assert "0 = ant" in " ".join(wanted.notes)
    assert "not given, so taken from the input or usual: size, layout" in " ".join(wanted.notes)


def test_labels_in_a_table(tmp_path: Path):
    for name in ("a.png", "b.webp"):
        picture(tmp_path / name)
    (tmp_path / "labels.csv").write_text("file,target\nb.webp,2.5\na.png,1\n")
    found = list(read_source(str(tmp_path), Wanted((spec(1, 3, 6, 8),))))
    assert [float(np.asarray(sample.target)) for sample in found] == [1, 2.5]
    (tmp_path / "labels.csv").write_text("file,label\na.png,1\n")
    with pytest.raises(DataError, match=r"does not list b\.webp"):
        list(read_source(str(tmp_path), Wanted((spec(1, 3, 6, 8),))))
    (tmp_path / "labels.csv").write_text("file,label\n../../etc/passwd,1\n")
    with pytest.raises(DataError, match=r"labels.csv, line 2: there is no image"):
        list(read_source(str(tmp_path), Wanted((spec(1, 3, 6, 8),))))


def test_whole_way(digits_model: Path, tmp_path: Path, make_data):
    for number in range(20):
        picture(tmp_path / "pictures" / str(number % 10) / f"{number}.png", seed=number)
    report, data = make_data(digits_model, source=str(tmp_path / "pictures"))
    assert report.ref.labelled
    assert report.ref.classes == 10
    assert data.feeds("final")[0]["image"].shape == (1, 1, 8, 8)
    assert any("8×8 L NCHW" in note for note in report.notes)


def hostile(path: Path) -> dict[str, tuple[bytes, str]]:
    picture(path)
    sound = path.read_bytes()
    path.unlink()
    return {
        "truncated": (sound[: len(sound) // 2], "no readable image"),
        "empty": (b"", "no readable image"),
        "text": (b"GIF89a" + bytes(40), "no readable image"),
        "wrong size": (sound[:16] + b"\x7f\xff\xff\xff\x7f\xff\xff\xff" + sound[24:], "no readable|more pixels"),
    }


@pytest.mark.parametrize("kind", ["truncated", "empty", "text", "wrong size"])
def test_hostile_images(kind: str, tmp_path: Path):
    content, words = hostile(tmp_path / "probe.png")[kind]
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(DataError, match=rf"bad\.png.*({words})") as caught:
        list(read_source(str(tmp_path), Wanted((spec(1, 3, 6, 8),))))
    assert "\n" not in caught.value.message


def test_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    picture(tmp_path / "big.png", (64, 64))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(DataError, match=r"big\.png has more pixels"):
        list(read_source(str(tmp_path), Wanted((spec(1, 3, 6, 8),))))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10**6)
    monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    with pytest.raises(DataError, match=r"big\.png has 64×64 pixels"):
        list(read_source(str(tmp_path), Wanted((spec(1, 3, 6, 8),))))


BAD = {
    "no size": (Preprocess(), (spec("n", 3, "h", "w"),), "size of the images is free"),
    "no image": (Preprocess(), (spec(1, 10),), "which is no image"),
    "channels": (Preprocess(channels="L"), (spec(1, 3, 6, 8),), "L images have 1 channels"),
    "mean": (Preprocess(mean=(0, 0)), (spec(1, 3, 6, 8),), "mean has 2 values"),
    "inputs": (Preprocess(), (spec(1, 3, 6, 8), InputSpec("other", np.dtype(np.float32), (1,))), "feed one input"),
}


@pytest.mark.parametrize("name", BAD)
def test_models_that_take_no_such_image(name: str, tmp_path: Path):
    given, specs, words = BAD[name]
    picture(tmp_path / "a.png")
    with pytest.raises(DataError, match=words):
        list(read_source(str(tmp_path), Wanted(specs, preprocess=given)))


def test_a_link_that_leads_out(tmp_path: Path):
    picture(tmp_path / "a.png")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").symlink_to(tmp_path / "a.png")
    with pytest.raises(DataError, match="leads out"):
        list(read_source(str(tmp_path / "pictures"), Wanted((spec(1, 3, 6, 8),))))


def test_a_single_image_and_mixed_folders(tmp_path: Path):
    picture(tmp_path / "a.png")
    picture(tmp_path / "cat" / "b.png")
    with pytest.raises(DataError, match="single image"):
        list(read_source(str(tmp_path / "a.png"), Wanted((spec(1, 3, 6, 8),))))
    with pytest.raises(DataError, match="sort them one way"):
        list(read_source(str(tmp_path), Wanted((spec(1, 3, 6, 8),))))
