"""Read samples from a folder of images.

Either one sub-folder per class (their sorted names are the classes), or images in one folder, with the labels in a
`labels.csv` beside them (`file,label` or `file,target`) or with none. Images are read the way torchvision reads them:
orientation tags are not applied.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ....contracts import DataError, Preprocess
from ..synthesize import InputSpec, shape_text
from .rows import LABEL_COLUMNS, TARGET_COLUMNS, Answer, answer, read_rows
from .sample import RawSample, Wanted, first_line, inside, missing_extra

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP")
MAX_PIXELS = 64 * 10**6
MAX_FILE_BYTES = 256 * 2**20
MAX_FILES = 1_000_000
_LABELS = "labels.csv"
_TOLD_CLASSES = 20


class Recipe(NamedTuple):
    """A preprocessing in which nothing is open."""

    height: int
    width: int
    last: bool
    channels: str
    scale: float
    mean: np.ndarray
    std: np.ndarray
    resize: str
    dtype: np.dtype[Any]


def image_files(folder: Path) -> list[Path]:
    """Return the images of a folder, or of the folders in it, sorted.

    Raises:
        DataError: a link that leads out of the folder, or more files than anyone means.
    """
    files: list[Path] = []
    for path in (*folder.glob("*"), *folder.glob("*/*")):
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            files.append(path)
        if len(files) > MAX_FILES:
            raise DataError(f"the folder {folder.name!r} holds more than {MAX_FILES:,} images; give fewer")
    return inside(folder, files)


def read_images(folder: Path, files: list[Path], wanted: Wanted) -> Iterator[RawSample]:
    """Yield one sample per image.

    Raises:
        DataError: an image that cannot be read, labels that do not fit the files, or a model that takes no image.
        MissingExtraError: Pillow is not installed.
    """
    if len(wanted.specs) != 1:
        names = ", ".join(repr(name) for name in wanted.names)
        raise DataError(f"images feed one input, and the model has {names}; give arrays (.npz) instead")
    spec = wanted.specs[0]
    recipe = resolve(wanted.preprocess, spec)
    wanted.notes.append(_told(recipe, wanted.preprocess))
    answers = _answers(folder, files, wanted)
    for path in files:
        where = f"{folder.name}/{path.relative_to(folder)}"
        label, target = answers.get(path, (None, None))
        yield RawSample({spec.name: read_image(path, recipe, where)}, label, where, target)


def _answers(folder: Path, files: list[Path], wanted: Wanted) -> Mapping[Path, Answer]:
    """Return label and target of each image."""
    nested = {path for path in files if path.parent != folder}
    if nested and len(nested) < len(files):
        raise DataError(f"the folder {folder.name!r} holds images beside folders of images; sort them one way")
    if nested:
        classes = sorted({path.parent.name for path in files})
        told = ", ".join(f"{index} = {name[:40]}" for index, name in enumerate(classes[:_TOLD_CLASSES]))
        wanted.notes.append(f"classes are the sorted names of the folders: {told}")
        return {path: (np.asarray(classes.index(path.parent.name)), None) for path in files}
    table = folder / _LABELS
    return _listed(inside(folder, [table])[0], files, wanted) if table.is_file() else {}


def _listed(table: Path, files: list[Path], wanted: Wanted) -> Mapping[Path, Answer]:
    """Read `labels.csv`: its first column names the files."""
    known = {path.name: path for path in files}
    found: dict[Path, Answer] = {}
    header, rows = read_rows(table)
    if len(header) != 2 or header[1] not in LABEL_COLUMNS | TARGET_COLUMNS:
        raise DataError(f"{table.name} must have the columns `file,label` or `file,target`")
    for row in rows:
        path = known.get(row.cells[0])
        if path is None:
            raise DataError(f"{row.where}: there is no image {row.cells[0][:80]!r} in the folder")
        if path in found:
            raise DataError(f"{row.where}: {path.name} is there twice; list every image once")
        found[path] = answer(row, [1], header, texts=wanted.texts)
    if missing := next((path for path in files if path not in found), None):
        raise DataError(f"{table.name} does not list {missing.name}; list every image")
    return found


def resolve(given: Preprocess, spec: InputSpec) -> Recipe:
    """Complete a preprocessing by what the model's input says.

    Raises:
        DataError: the input takes no image, or its size is free and was not given.
    """
    if len(spec.shape) != 4 or spec.dtype.kind not in "fu":
        raise DataError(f"input {spec.name!r} takes {spec.dtype}{shape_text(spec)}, which is no image")
    last = given.layout == "NHWC" if given.layout else spec.shape[3] in (1, 3) and spec.shape[1] not in (1, 3)
    depth = spec.shape[3 if last else 1]
    axes = spec.shape[1:3] if last else spec.shape[2:4]
    channels = given.channels or ("L" if depth == 1 else "RGB")
    count = 1 if channels == "L" else 3
    if isinstance(depth, int) and depth != count:
        raise DataError(f"input {spec.name!r} takes {shape_text(spec)}; {channels} images have {count} channels")
    height, width = _size(given, spec, axes)
    scale = given.scale if given.scale is not None else 1.0 if spec.dtype.kind == "u" else 1 / 255
    mean, std = _per_channel(given.mean, 0.0, count, "mean"), _per_channel(given.std, 1.0, count, "std")
    return Recipe(height, width, last, channels, scale, mean, std, given.resize, spec.dtype)


def _size(given: Preprocess, spec: InputSpec, axes: tuple[Any, ...]) -> tuple[int, int]:
    height, width = given.size or axes
    if not isinstance(height, int) or not isinstance(width, int):
        raise DataError(
            f"input {spec.name!r} takes {shape_text(spec)}, so the size of the images is free: "
            "give `preprocess: {size: [224, 224]}` in --config, or fix it with --shape"
        )
    return height, width


def _per_channel(values: tuple[float, ...] | None, usual: float, count: int, what: str) -> np.ndarray:
    given = values or (usual,)
    if len(given) not in (1, count):
        raise DataError(f"preprocess.{what} has {len(given)} values; give one, or one for each of {count} channels")
    return np.resize(np.asarray(given, np.float32), count)


def _told(recipe: Recipe, given: Preprocess) -> str:
    open_fields = [name for name in ("size", "layout", "channels", "scale", "mean", "std") if not _given(given, name)]
    layout = "NHWC" if recipe.last else "NCHW"
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (recipe.mean, recipe.std))
    text = f"images become {recipe.height}×{recipe.width} {recipe.channels} {layout} by {recipe.resize}, "
    text += f"(pixel · {recipe.scale:.6g} − [{mean}]) / [{std}]"
    return f"{text}; not given, so taken from the input or usual: {', '.join(open_fields)}" if open_fields else text


def _given(given: Preprocess, name: str) -> bool:
    return getattr(given, name) is not None


def read_image(path: Path, recipe: Recipe, where: str) -> np.ndarray:
    """Return one image as the model takes it, without the batch axis.

    Raises:
        DataError: it is damaged, too large, or of another format than its name says.
    """
    pil = _pillow()
    if path.stat().st_size > MAX_FILE_BYTES:
        raise DataError(f"{where} is larger than {MAX_FILE_BYTES // 2**20} MiB; make it smaller")
    try:
        # Pillow's own warning about bombs becomes its error; the limit below it is ours.
        with warnings.catch_warnings():
            warnings.simplefilter("error", pil.DecompressionBombWarning)
            with pil.open(path, formats=_FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise DataError(f"{where} has {image.width}×{image.height} pixels; make it smaller")
                fitted = _fit(_pixels(image, recipe), recipe)
    except (pil.DecompressionBombError, pil.DecompressionBombWarning) as error:
        raise DataError(f"{where} has more pixels than anyone means; make it smaller") from error
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, IndexError, OverflowError, MemoryError) as error:
        raise DataError(f"{where} is no readable image: {first_line(error)}") from error
    return _normalized(np.asarray(fitted), recipe)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise missing_extra("images need Pillow") from error
    return Image


def _pixels(image: Image, recipe: Recipe) -> Image:
    """Decode to grey or colour; what is transparent is shown on black.

    Raises:
        ValueError: more than eight bits a channel, which would be cut off.
    """
    if image.mode[0] in "IF":
        raise ValueError("it has more than 8 bits per channel; convert it first")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("L" if recipe.channels == "L" else "RGB")


def _fit(image: Image, recipe: Recipe) -> Image:
    from PIL import ImageOps

    bilinear = _pillow().Resampling.BILINEAR

    size = (recipe.width, recipe.height)
    if image.size == size:
        return image
    if recipe.resize == "crop":
        return ImageOps.fit(image, size, bilinear)
    if recipe.resize == "pad":
        return ImageOps.pad(image, size, bilinear)
    return image.resize(size, bilinear)


def _normalized(pixels: np.ndarray, recipe: Recipe) -> np.ndarray:
    array = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
    if recipe.channels == "BGR":
        array = array[..., ::-1]
    values = (array.astype(np.float32) * np.float32(recipe.scale) - recipe.mean) / recipe.std
    if recipe.dtype.kind == "u":
        values = np.clip(np.rint(values), 0, 255)
    values = values.astype(recipe.dtype)
    return np.ascontiguousarray(values if recipe.last else values.transpose(2, 0, 1))
