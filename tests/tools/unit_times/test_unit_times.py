from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import ModelProto, numpy_helper

from shipfit.contracts import Job, TimeTable, ToolError
from shipfit.tools.context import MODEL_FILE, TABLE_FILE, ToolContext
from shipfit.tools.measure import lock
from shipfit.tools.measure.data_tool import build_data
from shipfit.tools.model_files import load
from shipfit.tools.unit_times import profiles, time_units, timing, tool, unit_times_tool
from shipfit.tools.unit_times.fit import Measured, Widths, fit, nonnegative_least_squares, predicted
from shipfit.tools.unit_times.profiles import UnitProfile, profile_units
from shipfit.tools.unit_times.regions import Edge, Regions, crossings, divide

CHAIN = """<ir_version: 8, opset_import: ["": 17]> chain (float[n, 8] x) => (float[n, 8] y)
<float[8, 8] a, float[8, 8] b, float[8, 8] c> {
    [head] h = Neg (x)
    [one] p = MatMul (h, a)
    [act] q = Relu (p)
    [two] r = MatMul (q, b)
    [sum] s = Add (q, r)
    [three] t = MatMul (s, c)
    [end] y = Tanh (t)
}"""

BRANCHES = """<ir_version: 8, opset_import: ["": 17]> m (float[n, 8] x, bool c) => (float[n, 8] y)
<float[8, 8] a> {
    [one] p = MatMul (x, a)
    [if] q = If (c) <
        then_branch = then () => (float[n, 8] u) <float[8, 8] b> { [inner] u = MatMul (p, b) },
        else_branch = other () => (float[n, 8] v) { [plain] v = Neg (p) }
    >
    [end] y = Tanh (q)
}"""


def parsed(text: str) -> ModelProto:
    """Parse a model and give its weights, which the text only declares, values."""
    model = onnx.parser.parse_model(text)
    rng = np.random.default_rng(0)
    pending = [model.graph]
    while pending:
        graph = pending.pop()
        for value in graph.value_info:
            shape = [each.dim_value for each in value.type.tensor_type.shape.dim]
            graph.initializer.append(
                numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32) / 3, value.name)
            )
        del graph.value_info[:]
        pending += [each.g for node in graph.node for each in node.attribute if each.HasField("g")]
    return model


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is measured does not matter here."""
    folder = tmp_path_factory.mktemp("lock")
    monkeypatch.setattr(lock, "lock_folder", lambda: folder)
    monkeypatch.setattr(profiles, "SECONDS", 0.01)
    monkeypatch.setattr(tool, "cpu_times", lambda models, feeds, call_s: timing.cpu_times(models, feeds, call_s, 0.05))


def test_every_node_belongs_to_a_unit():
    regions = divide(parsed(CHAIN), ["one", "two", "three"])
    assert list(regions.rank) == ["one", "two", "three"]
    assert regions.nodes == {
        "head": "one", "one": "one", "act": "one", "two": "two", "sum": "two", "three": "three", "end": "three",
    }  # fmt: skip


def test_edges_go_through_float_nodes_and_to_both_ends():
    edges = set(divide(parsed(CHAIN), ["one", "two", "three"]).edges)
    assert edges == {
        Edge("", "one", "h", "x"), Edge("one", "two", "q", "p"), Edge("one", "three", "s", "p"),
        Edge("two", "three", "s", "r"), Edge("three", "", "y", "t"),
    }  # fmt: skip
    into, out = crossings(edges, {"two": "static"})
    assert [each.source for each in into] == ["one"]
    assert [each.target for each in out] == ["three"]


def test_units_inside_branches():
    regions = divide(parsed(BRANCHES), ["one", "inner"])
    assert regions.nodes["end"] == "inner"
    assert regions.nodes["plain"] == "one"


@pytest.mark.parametrize("text", ["x = Neg (i)", "x = Identity (i)"])
def test_a_model_without_units(text: str):
    model = parsed(f'<ir_version: 8, opset_import: ["": 17]> m (float[2] i) => (float[2] x) {{ {text} }}')
    table = time_units(model, [{"i": np.ones(2, np.float32)}])
    assert table.units == ()
    assert table.boundaries == ()
    assert table.total_us["fp32"] > 0


def test_least_squares_without_negatives():
    matrix = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    assert nonnegative_least_squares(matrix, np.array([3.0, 5.0, 7.0])) == pytest.approx([1, 2])
    assert nonnegative_least_squares(matrix, np.array([3.0, 2.0, 1.0])) == pytest.approx([2, 0], abs=0.7)
    assert nonnegative_least_squares(-matrix, np.ones(3)) == pytest.approx([0, 0])


def test_boundaries_are_found_from_totals():
    names = [f"u{index}" for index in range(8)]
    regions = Regions(rank={name: index for index, name in enumerate(names)})
    ends = ["", *names, ""]
    regions.edges = [Edge(a, b, f"{a}-{b}", f"{a}-{b}") for a, b in pairwise(ends)]
    widths = Widths(regions.edges, {f"{a}-{b}": 10_000 * (1 + len(a + b) % 3) for a, b in pairwise(ends)})
    plain, static = ({name: base * (1 + index) for index, name in enumerate(names)} for base in (40.0, 15.0))

    def truth(forms: dict[str, str]) -> Measured:
        into, out = crossings(regions.edges, forms)
        moved = 0.002 * sum(map(widths.quantized, into)) + 0.001 * sum(map(widths.dequantized, out))
        return Measured(forms, sum(static[n] if n in forms else plain[n] for n in names) + moved)  # type: ignore[arg-type]

    full = dict.fromkeys(names, "static")
    # The profiler tells proportions, not CPU time, and nothing of what the changes cost.
    told = {
        "fp32": UnitProfile({n: 2 * t for n, t in plain.items()}),
        "static": UnitProfile({n: 3 * t for n, t in static.items()}),
    }
    mixtures = [truth(dict.fromkeys(chosen, "static")) for chosen in (names[::2], names[:3], names[2:7])]
    costs = fit(regions, widths, told, {"fp32": truth({}), "static": truth(full)}, mixtures)  # type: ignore[arg-type]
    assert costs.quantize == pytest.approx(0.002, rel=0.1)
    assert costs.dequantize == pytest.approx(0.001, rel=0.25)
    held_out = truth(dict.fromkeys(names[1::3], "static"))
    assert predicted(held_out.forms, costs, regions, widths) == pytest.approx(held_out.us, rel=0.01)


def test_kernels_of_the_profile_are_told_to_their_units(digits_model: Path, digits_data: Path):
    model = load(digits_model)
    regions = divide(model, [node.name for node in model.graph.node if node.op_type in ("Conv", "Gemm")])
    images = np.load(digits_data)["image"]
    profile = profile_units(model, regions, frozenset(), [{"image": images[:1]}])
    assert profile.units.keys() == regions.rank.keys()
    assert profile.boundary == 0


def test_the_table_of_a_model(digits_model: Path, digits_data: Path, tmp_path: Path):
    folders = [tmp_path / name for name in ("model", "data", "work")]
    for folder in folders:
        folder.mkdir()
    (folders[0] / MODEL_FILE).write_bytes(digits_model.read_bytes())
    ref = build_data(digits_model, folders[1], {"source": str(digits_data)}, 0).ref
    job = Job(tool="unit_times", data=ref, needs="bench")
    answer = unit_times_tool(ToolContext(job, {"model": folders[0], "data": folders[1] / "data"}, folders[2]))
    table = answer.report
    assert isinstance(table, TimeTable)
    assert TimeTable.model_validate_json((answer.outputs["table"] / TABLE_FILE).read_text()) == table
    assert {form for unit in table.units if unit.op_type == "Conv" for form in unit.us} == {"fp32", "static"}
    assert {form for unit in table.units if unit.op_type == "Gemm" for form in unit.us} == {"fp32", "static", "dynamic"}
    assert sum(unit.us["fp32"] for unit in table.units) == pytest.approx(table.total_us["fp32"], rel=1e-3)
    assert all(value >= 0 for unit in table.units for value in unit.us.values())
    assert all(each.quantize_us >= 0 and each.dequantize_us >= 0 for each in table.boundaries)
    chain = [unit.name for unit in table.units]
    assert {(each.source, each.target) for each in table.boundaries} == set(
        zip(["", *chain], [*chain, ""], strict=True)
    )
    assert table.fit_error is not None


def test_the_model_as_it_came_is_timed_beside():
    lines = "".join(f"t{n} = Sin (t{n - 1}) " for n in range(1, 9))
    head = '<ir_version: 8, opset_import: ["": 17]> m (float[999] t0) => (float[999] {}) {{ {} }}'
    short, long = parsed(head.format("t1", "t1 = Sin (t0)")), parsed(head.format("t8", lines))
    feeds = [{"t0": np.ones(999, np.float32)}]
    table = time_units(short, feeds, original=long)
    assert table.gained > 2
    assert time_units(short, feeds).gained == 1


def test_too_large_a_model(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tool, "TIMED_BY_UNIT_BYTES", 100)
    with pytest.raises(ToolError, match="is not timed"):
        time_units(parsed(CHAIN), [{"x": np.ones((1, 8), np.float32)}])
