import re

import pytest

from shipfit.contracts import LayerForm, OptimizationResponse
from shipfit.interfaces.report import render

from .. import responses
from ..outline import Outline, assert_accessible, assert_stands_alone

RUNS = {
    "met": responses.response(),
    "rolled_back": responses.rolled_back(),
    "unverified": responses.unverified(),
    "failed": responses.rolled_back(status="failed", attempts=(responses.failed_attempt(1),), offers=(), baseline=None),
}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\x1b[31m\u202e{{ 7*7 }}"


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_page_stands_alone(run: OptimizationResponse):
    assert_stands_alone(render(run))


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_page_is_accessible(run: OptimizationResponse):
    assert_accessible(render(run))


def test_met_run_tells_everything():
    words = Outline(render(RUNS["met"])).words
    for expected in (
        "Every constraint is met", "--max-size 30% --min-speedup 3 --max-drop 1%", "≤ 30 %", "26.1 %",
        "4.15× … 4.27×", "memory (guard)", "net loss of 1 in 450 samples", "met, delivered", "too noisy",
        "the child exceeded its time limit", "judged on the final part", "1 ended before anything was measured",
        "int8 static", "/features/3/Conv", "Open it with one thread.", "avx2 avx512_vnni", "n\xa0=\xa0450",
        "shipfit apply /models/digits.onnx /products/digits/recipe.json", "first that met everything",
    ):  # fmt: skip
        assert expected in words, expected


def test_rolled_back_run_offers():
    words = Outline(render(RUNS["rolled_back"])).words
    assert "Rolled back: this is the original" in words
    assert "--max-size 26.13% --max-drop 0%" in words
    assert words.index("What could be had instead") < words.index("Constraints")
    assert "The original needs no recipe" in words


def test_unverified_run_says_what_it_does_not_know():
    words = Outline(render(RUNS["unverified"])).words
    for expected in ("could not be measured here", "not verified", "synthesised inputs only", "above the alert"):
        assert expected in words


def test_hostile_names_are_text():
    layer = LayerForm(name=HOSTILE, op_type=HOSTILE, form=HOSTILE, why=HOSTILE)
    attempt = responses.failed_attempt(1)
    attempt = attempt.model_copy(update={"verdict": responses.verdict("failed", HOSTILE)})
    page = render(
        responses.response(
            request=responses.request(model=f"/models/{HOSTILE.replace('/', '')}.onnx"), layers=(layer,),
            attempts=(attempt,), alerts=(HOSTILE,), reason=HOSTILE,
        )
    )  # fmt: skip
    outline = Outline(page)
    assert outline.count("script") == 0
    assert outline.count("img") == 0
    assert "{{ 7*7 }}" in outline.words
    assert "\\x1b[31m" in outline.words
    assert not {"\x1b", "\u202e"} & set(page)


def test_what_the_steps_did_is_told():
    notes = ("fuse_pad_into_conv: -2 Pad", f"left fp32: {HOSTILE}")
    attempts = [item.model_copy(update={"notes": notes}) for item in RUNS["met"].attempts]
    outline = Outline(render(RUNS["met"].model_copy(update={"attempts": tuple(attempts)})))
    assert outline.words.count("fuse_pad_into_conv: -2 Pad") == 1
    assert outline.count("img") == 0


def test_long_layer_tables_are_folded():
    short, long = (Outline(render(responses.response(layers=responses.layers(count)))) for count in (5, 200))
    assert [("open" in attributes) for tag, attributes in short.tags if tag == "details"][-1]
    assert not [("open" in attributes) for tag, attributes in long.tags if tag == "details"][-1]


def test_page_of_a_run_that_tried_nothing():
    words = Outline(render(responses.rolled_back(attempts=(), offers=(), constraints=(), baseline=None))).words
    assert "Nothing was tried." in words


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_contrast(scheme: str):
    """Every text colour reaches 4.5 : 1 on every ground that it stands on (WCAG 2.2, AA)."""
    css = re.search(r"<style>(.*?)</style>", render(RUNS["met"]), re.DOTALL)
    assert css is not None
    blocks = re.findall(r":root \{(.*?)\}", css[1], re.DOTALL)
    own = blocks[0 if scheme == "light" else 1 :: 2]  # of the palette, and of the page beside it
    colours = dict(re.findall(r"--([\w-]+): (#\w{6});", "".join(own)))
    grounds = {"ink": ("page", "card", "soft"), "quiet": ("page", "card", "soft")}
    pairs = [(text, ground) for text, names in grounds.items() for ground in names]
    pairs += [(tone, ground) for tone in ("good", "bad", "open", "blue") for ground in (f"{tone}-soft", "card")]
    pairs += [("ink", f"c{number}") for number in range(1, 8)] + [("blue", "good-soft"), ("ink", "good-soft")]
    for text, ground in pairs:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours, as WCAG defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
