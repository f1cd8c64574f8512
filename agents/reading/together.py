"""Items that say something else together than each by itself: `no accuracy drop above 1 %`, `99 % of requests`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .items import Item
from .lexicon import Concept, Readings

_STATISTIC_OF = {0.5: "p50", 0.95: "p95", 0.99: "p99"}
_NEAR, _FAR = 6, 24
_RELATIVE = ("percent", "share", "factor")
_COSTS: dict[str, Readings] = {"": {"loss": "verb"}, "told": {"loss": "verb", "lost": ""}}
_SHORT: dict[str, Readings] = {"+": {"upper": ""}, "-": {"lower": ""}}


def together(items: Sequence[Item]) -> list[Item]:
    """Return the items with those rewritten that others around them give another meaning."""
    kept = list(items)
    for rewrite in (
        _compared_as,
        _negated_comparatives,
        _costs,
        _limited_losses,
        _scores,
        _shares_of_calls,
        _without_origins,
        _labels_of_the_present,
        _contracted,
        _taken_off,
        _named_models,
        _parts_of_that,
    ):
        kept = rewrite(kept)
    return kept


def _compared_as(items: list[Item]) -> list[Item]:
    """Take `more as 1 %` for `more than 1 %`."""
    out = list[Item]()
    skipped = False
    for index, item in enumerate(items):
        following = items[index + 1 : index + 3]
        if skipped:
            skipped = False
        elif item.has("direction") and len(following) == 2 and following[0].has("as") and following[1].measure:
            bound: Concept = "lower" if item.value("direction") in ("+", "size+", "speed-", "accuracy+") else "upper"
            out.append(replace(item, end=following[0].end, readings={**item.readings, bound: ""}))
            skipped = True
        else:
            out.append(item)
    return out


def _negated_comparatives(items: list[Item]) -> list[Item]:
    """Take `not more 1 %` for `not more than 1 %`."""
    out: list[Item] = []
    for index, item in enumerate(items):
        before, after = out[-1] if out else None, items[index + 1] if index + 1 < len(items) else None
        short = _SHORT.get(item.value("direction"))
        if short and before and before.has("negation") and after and after.measure and not item.has("upper", "lower"):
            out[-1] = replace(before, end=item.end, readings=short)
        else:
            out.append(item)
    return out


def _labels_of_the_present(items: list[Item]) -> list[Item]:
    """Take `current` for what is where a colon follows: `current: 91 % / 40 MB`."""
    following = [*items[1:], None][: len(items)]
    return [
        replace(item, readings={"present": ""})
        if item.has("reference") and item.has("present") and after is not None and after.text == ":"
        else item
        for item, after in zip(items, following, strict=True)
    ]


def _contracted(items: list[Item]) -> list[Item]:
    """Take `'s` for `is` where an amount follows: `the model's 4 MB`."""
    out: list[Item] = []
    for index, item in enumerate(items):
        short = item.kind == "word" and item.measure is None and item.end - item.start == len(item.text) + len("'s")
        following = [each for each in items[index + 1 : index + 3] if not each.has("approximate") and not each.hint]
        if short and item.has("model", "quantity") and following[:1] and following[0].measure is not None:
            out += [item, Item(item.end, item.end, "is", "word", {"is": ""})]
        else:
            out.append(item)
    return out


def _taken_off(items: list[Item]) -> list[Item]:
    """Take `off` for a cut behind a share: `20 % off its size`, `knock two thirds off`."""
    out: list[Item] = []
    for index, item in enumerate(items):
        before, after = items[max(index - _NEAR, 0) : index], items[index + 1 : index + 2]
        relative = bool(before) and before[-1].measure is not None and before[-1].measure.kind in _RELATIVE
        cut = any(each.has("change", "saving", "losing") for each in before)
        led = bool(after) and after[0].has("article", "quantity", "whole", "the")
        if item.value("out") == "off" and relative and (cut or led):
            item = replace(item, readings={"change": "-", "out": "off"})
        out.append(item)
    return out


def _named_models(items: list[Item]) -> list[Item]:
    """Take `compressed` in `the compressed model` for part of its name."""
    out: list[Item] = []
    for index, item in enumerate(items):
        before, after = items[index - 1 : index] if index else [], items[index + 1 : index + 2]
        led = bool(before) and before[0].has("article", "the")
        if led and item.has("named") and after and after[0].has("model"):
            item = replace(item, readings={"model": ""})
        out.append(item)
    return out


def _parts_of_that(items: list[Item]) -> list[Item]:
    """Take `that` for what there is in `a quarter of that`."""
    out: list[Item] = []
    for index, item in enumerate(items):
        one, two = items[index - 2 : index] if index > 1 else (None, None)
        part = one is not None and one.measure is not None and one.measure.kind in _RELATIVE
        ends = index + 1 == len(items) or not items[index + 1].has("quantity", "model")
        direct = items[index - 1].measure if index else None
        halves = direct is not None and direct.kind in ("share", "factor") and item.has("that") and ends
        it = item.has("that") or (item.has("article") and (index + 1 == len(items) or items[index + 1].kind != "word"))
        if halves or (it and part and two is not None and two.has("whole") and ends):
            item = replace(item, readings={"reference": "", "that": ""})
        out.append(item)
    return out


def _without_origins(items: list[Item]) -> list[Item]:
    """Drop what something is before it becomes something else: `44 MB should become 12 MB`."""
    return [item for index, item in enumerate(items) if not _is_origin(item, items[index + 1 : index + 1 + _NEAR])]


def _is_origin(item: Item, after: Sequence[Item]) -> bool:
    joint = next((at for at, each in enumerate(after) if each.has("becomes")), None)
    if item.measure is None or joint is None or any(each.kind == "end" or each.measure for each in after[:joint]):
        return False
    rest = next((each.measure for each in after[joint:] if each.measure), None)
    return rest is not None and rest.kind == item.measure.kind


def _costs(items: list[Item]) -> list[Item]:
    """Take `costs` for a loss where it is quality that it costs: `unless it costs more than 1 % accuracy`."""
    return [
        replace(item, readings=_COSTS[item.value("costs")])
        if item.has("costs") and _is_of_quality(item, items[index + 1 : index + 1 + _FAR])
        else item
        for index, item in enumerate(items)
    ]


def _is_of_quality(item: Item, after: Sequence[Item]) -> bool:
    near = after[:_NEAR]
    end = next((at for at, each in enumerate(near) if each.kind == "end"), len(near))
    amount = any(each.measure is not None and each.measure.kind in ("percent", "points") for each in near[:end])
    if not amount and len(item.readings) > 1:
        return False
    named = next((each.value("quantity") for each in near[:end] if each.has("quantity")), "")
    return named == "accuracy"


def _limited_losses(items: list[Item]) -> list[Item]:
    """Take `no accuracy drop` for a loss with a limit where a limit follows."""
    return [
        replace(item, readings={"negation": "", "loss": "noun"})
        if _is_limited(item, items[index + 1 : index + 1 + _FAR])
        else item
        for index, item in enumerate(items)
    ]


def _is_limited(item: Item, after: Sequence[Item]) -> bool:
    rest = [each for each in after[:_NEAR] if not each.has("article", "quantity") and each.text not in ("of", "in")]
    if not item.has("lossless") or len(rest) < 2 or not rest[0].has("lower"):
        return False
    return rest[1].measure is not None and rest[1].measure.kind in ("percent", "points", "bare")


def _scores(items: list[Item]) -> list[Item]:
    """Take `precision` for a score where a score follows; elsewhere it is the width of numbers."""
    return [
        replace(item, readings={"quantity": "accuracy"})
        if _is_score(item, items[index + 1 : index + 1 + _FAR])
        else item
        for index, item in enumerate(items)
    ]


def _is_score(item: Item, after: Sequence[Item]) -> bool:
    measure = next((each.measure for each in after[:_NEAR] if each.measure), None)
    return item.has("score") and measure is not None and measure.kind in ("percent", "points", "bare")


def _shares_of_calls(items: list[Item]) -> list[Item]:
    """Take `99 % of the requests` for a percentile where a duration follows in the sentence."""
    out: list[Item] = []
    gone = 0
    for index, item in enumerate(items):
        length = _share_of_calls(items[index : index + _FAR], out)
        if length and item.measure:
            named = _STATISTIC_OF.get(item.measure.value, "other")
            last = items[index + length - 1]
            out.append(Item(item.start, last.end, item.text, "word", {"statistic": named}))
            gone = length - 1
        elif gone:
            gone -= 1
        else:
            out.append(item)
    return out


def _share_of_calls(items: Sequence[Item], before: Sequence[Item]) -> int:
    """Return how many items `99 % of all the requests` takes at the start of `items`, 0 where they are none."""
    first = items[0].measure
    if first is None or first.kind != "percent" or len(items) < 3 or not items[1].has("whole", "article", "counted"):
        return 0
    counted = next((at for at in range(1, min(5, len(items))) if items[at].has("counted")), 0)
    if not counted or not all(item.has("article", "everything") for item in items[2:counted]):
        return 0
    if len(before) > 1 and before[-1].has("of") and before[-2].measure and before[-2].measure.kind == "duration":
        return counted + 1  # `20 ms for 99 % of the requests`
    end = next((at for at, item in enumerate(items) if item.kind == "end"), len(items))
    later = next((item.measure for item in items[counted:end] if item.measure), None)
    return counted + 1 if later is not None and later.kind == "duration" else 0
