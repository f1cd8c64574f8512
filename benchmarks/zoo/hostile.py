"""One hostile file of each class: what a folder of models from strangers may hold. Each must become a row of its own.

Nothing here harms whoever only looks at it; what a careless tool would unpack, run or allocate is what is hostile.
"""

from __future__ import annotations

import pickle  # noqa: TID251 - to write a file that must not be read
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx_files import sha256

Maker = Callable[[Path], None]
_GIB = 2**30


def truncated(folder: Path) -> None:
    """Hold half of a file, as after a download that broke off."""
    whole = _scaled(np.ones((256, 256), np.float32)).SerializeToString()
    (folder / "model.onnx").write_bytes(whole[: len(whole) // 2])


def not_a_model(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"<!DOCTYPE html><html><body>404 Not Found</body></html>\n")


def empty(folder: Path) -> None:
    (folder / "model.onnx").touch()


class _Payload:
    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return exec, ("raise SystemExit('a pickle was run')",)


def pickled(folder: Path) -> None:
    """Call itself ONNX, and run code in whoever unpickles it."""
    (folder / "model.onnx").write_bytes(pickle.dumps(_Payload()))


def pickled_data(folder: Path) -> None:
    """A sound model, whose samples are objects that only unpickling would bring back."""
    onnx.save(_scaled(np.ones((4, 4), np.float32)), folder / "model.onnx")
    objects = np.array([_Payload()] * 8, dtype=object)
    np.savez(folder / "data.npz", x=objects)


def bomb(folder: Path) -> None:
    """A sound model, whose samples are 9 GiB of zeros in a file of a few dozen megabytes."""
    onnx.save(_scaled(np.ones((4, 4), np.float32)), folder / "model.onnx")
    with (
        zipfile.ZipFile(folder / "data.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("x.npy", "w", force_zip64=True) as member,
    ):
        shape = (9 * _GIB // 16, 4)
        np.lib.format.write_array_header_1_0(member, {"descr": "<f4", "fortran_order": False, "shape": shape})
        for _ in range(36):
            member.write(bytes(2**28))


def outside(folder: Path) -> None:
    """Keep its weights in a file above its own folder."""
    (folder / "secret.bin").write_bytes(bytes(64))
    (folder / "inner").mkdir()
    _with_weights_at("../secret.bin", folder / "inner" / "model.onnx")


def absolute(folder: Path) -> None:
    """Ask for a file of the system as its weights."""
    _with_weights_at("/etc/passwd", folder / "model.onnx")


def linked(folder: Path) -> None:
    """Reach a file of the system as its weights through a link."""
    (folder / "weights.bin").symlink_to("/etc/passwd")
    _with_weights_at("weights.bin", folder / "model.onnx")


def cyclic(folder: Path) -> None:
    """Two nodes that wait for each other."""
    nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
    _save(_model(nodes, "b"), folder)


def huge(folder: Path) -> None:
    """Declare a weight of 4 TiB and bring eight bytes of it."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**20, 2**20], raw_data=bytes(8))
    _save(_model([helper.make_node("MatMul", ["x", "w"], ["y"])], "y", [weight]), folder)


def not_numbers(folder: Path) -> None:
    """Answer NaN to everything."""
    _save(_scaled(np.full((4, 4), np.nan, np.float32)), folder)


def custom_operator(folder: Path) -> None:
    """Need an operator that no stock runtime has."""
    _save(_model([helper.make_node("Miracle", ["x"], ["y"], domain="com.example")], "y", domain="com.example"), folder)


def endless(folder: Path) -> None:
    """Loop 2⁶² times before it answers."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go_on"], ["again"]), helper.make_node("Sin", ["before"], ["after"])],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, ["batch", 4]),
        ],
        [
            helper.make_tensor_value_info("again", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, ["batch", 4]),
        ],
    )
    trips = numpy_helper.from_array(np.array(2**62, np.int64), "trips")
    _save(_model([helper.make_node("Loop", ["trips", "", "x"], ["y"], body=body)], "y", [trips]), folder)


def greedy(folder: Path) -> None:
    """Take 10 GiB when it runs, of which the file says nothing."""
    pads = numpy_helper.from_array(np.array([0, 0, 2**16, 10 * 2**12], np.int64), "pads")
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["wide"]),
        helper.make_node("ReduceMax", ["wide"], ["most"], keepdims=0),
        helper.make_node("Add", ["x", "most"], ["y"]),
    ]
    _save(_model(nodes, "y", [pads]), folder)
    _samples(folder)


def sound(folder: Path) -> None:
    """A sound little model, for entries whose hostility lies elsewhere."""
    _save(_scaled(np.eye(4, dtype=np.float32)), folder)
    _samples(folder)


def broken_settings(folder: Path) -> None:
    """A folder whose `shipfit.yaml` is no YAML."""
    sound(folder)
    (folder / "shipfit.yaml").write_text(
        "model: model.onnx\nconstraints: {max_size: 50%\n  - what?\n", encoding="utf-8"
    )


def unknown_setting(folder: Path) -> None:
    """A folder whose `shipfit.yaml` asks for what does not exist."""
    sound(folder)
    (folder / "shipfit.yaml").write_text("model: model.onnx\nconstraints: {max_weight: 50%}\n", encoding="utf-8")


def untrusted(folder: Path) -> None:
    """A folder whose `shipfit.yaml` would run code."""
    (folder / "shipfit.yaml").write_text("model: benchmarks.zoo.factories:raises\n", encoding="utf-8")


def _with_weights_at(location: str, path: Path) -> None:
    model = _scaled(np.ones((4, 4), np.float32))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "64")):
        tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())


def _scaled(weight: np.ndarray) -> onnx.ModelProto:
    node = helper.make_node("MatMul", ["x", "w"], ["y"], "dense")
    return _model([node], "y", [numpy_helper.from_array(weight, "w")], width=len(weight))


def _model(
    nodes: list[onnx.NodeProto],
    output: str,
    weights: list[onnx.TensorProto] | None = None,
    width: int = 4,
    domain: str | None = None,
) -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", width])]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", width])]
    imports = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    graph = helper.make_graph(nodes, "hostile", inputs, outputs, weights or [])
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def _samples(folder: Path) -> None:
    samples = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
    np.savez(folder / "data.npz", x=samples)


def _save(model: onnx.ModelProto, folder: Path) -> None:
    (folder / "model.onnx").write_bytes(model.SerializeToString())


IN_MANIFEST: tuple[Maker, ...] = (
    truncated,
    not_a_model,
    empty,
    pickled,
    pickled_data,
    bomb,
    outside,
    absolute,
    linked,
    cyclic,
    huge,
    not_numbers,
    custom_operator,
    endless,
    greedy,
    sound,
)
IN_FOLDER: tuple[Maker, ...] = (broken_settings, unknown_setting, untrusted)

# Names of files that would do something on a terminal, in a page, or in a spreadsheet.
EVIL_NAMES = ("\x1b]0;owned\x07\x1b[31mred", "<img src=x onerror=alert(1)>", "=1+1", "a\nb", "-rf")


def build(manifest_folder: Path, folder_zoo: Path) -> None:
    """Make every hostile model of the manifest in `manifest_folder`, and a whole hostile folder of models.

    What this very file has made before is kept.
    """
    stamp, made = sha256(Path(__file__)), manifest_folder / "made"
    if made.is_file() and made.read_text(encoding="utf-8") == stamp and folder_zoo.is_dir():
        return
    for folder, makers in ((manifest_folder, IN_MANIFEST), (folder_zoo, IN_FOLDER)):
        shutil.rmtree(folder, ignore_errors=True)
        for maker in makers:
            (folder / maker.__name__).mkdir(parents=True)
            maker(folder / maker.__name__)
    for name in EVIL_NAMES:
        shutil.copyfile(manifest_folder / "truncated" / "model.onnx", folder_zoo / f"{name}.onnx")
    made.write_text(stamp, encoding="utf-8")
