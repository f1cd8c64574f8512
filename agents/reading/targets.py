"""Where the product will run: a platform, a runtime, or both."""

from __future__ import annotations

from dataclasses import replace

from .clauses import Clause
from .context import Context
from .items import Item
from .statements import Outcome, Statement, Unread

_FEW = 4  # items of a clause that is no sentence


def read_targets(clause: Clause, context: Context) -> tuple[Clause, list[Outcome]]:
    """Return the clause without targets, and what they say."""
    named = [item for item in clause.items if _names(item, clause)]
    places = [item for item in named if not _is_named_by_another(item, clause)]
    found: list[Outcome] = []
    for item in places:
        if _is_history(item, clause):
            continue
        if _is_refused(item, clause):
            found.append(Unread(item.start, item.end))
        elif not _is_talk(item, clause):
            now = clause.has("present", "has") and not clause.has("goal", "modal", "to")
            found += [replace(each, bare=now) if isinstance(each, Statement) else each for each in _said(item, context)]
    return clause.without(named), found


def _names(item: Item, clause: Clause) -> bool:
    if item.has("thing") and not _is_led(item, clause):
        return False  # `the gateway times out after 30 s`
    if item.has("platform") and not item.has("lever", "quantity"):
        return not item.has("label") or item.value("platform") != "node" or _is_meant(item, clause)
    runtime = item.value("runtime")
    if not runtime.endswith("?"):
        return bool(runtime)
    # `in torch` is a runtime, `my torch model` is not.
    before, after = clause.before(item), clause.after(item)
    led = any(each.has("through", "inside") or each.text in ("=", ":") for each in before[-2:])
    led = led or (any(each.has("targeting") for each in before[-1:]) and (len(before) == 1 or clause.has("goal")))
    return (led or clause.opened_by("through")) and not (after and after[0].has("model"))


def _is_led(item: Item, clause: Clause) -> bool:
    """Tell whether a word leads to where a model runs, or nothing else is said."""
    led = any(each.has("through", "of", "inside", "to", "targeting", "by") for each in clause.before(item))
    return led or clause.opened_by("through", "or") or len(clause.items) < _FEW


def _is_meant(item: Item, clause: Clause) -> bool:
    """Tell whether `node` is where a model runs, and not a node of its graph."""
    before = clause.before(item)
    led = bool(before) and (
        before[-1].has("through", "of", "inside", "is", "by", "to", "from") or before[-1].text in ("=", ":")
    )
    after = clause.after(item)
    serves = bool(after) and after[0].value("platform") == "server"
    return (
        led or serves or len(clause.items) == 1 or clause.has("targeting") or clause.opened_by("through", "or", "and")
    )


def _is_named_by_another(item: Item, clause: Clause) -> bool:
    """Tell whether what stands before it says what it is: `a node server`, `the wasm backend`."""
    before = [each for each in clause.before(item) if not each.has("of", "article")][-1:]
    named = bool(before) and (before[0].value("platform") == "node" or before[0].has("runtime"))
    return item.value("platform") == "server" and named


def _said(item: Item, context: Context) -> list[Outcome]:
    platform, runtime = item.value("platform"), item.value("runtime").removesuffix("?")
    if platform == "unknown":
        return [Unread(item.start, item.end)]
    found: list[Outcome] = []
    if runtime:
        found.append(_statement("target.runtime", runtime, item, context))
    if platform:
        found.append(_statement("target.platform", platform, item, context))
    return found


def _statement(field: str, value: str, item: Item, context: Context) -> Statement:
    return Statement(field, value, item.start, item.end, about=field, replaces=context.correcting)


def _is_refused(item: Item, clause: Clause) -> bool:
    before = [each for each in clause.before(item) if not each.has("article", "of", "through")]
    return bool(before) and before[-1].has("negation", "instead")


def _is_history(item: Item, clause: Clause) -> bool:
    """Tell whether it is where the model came from: `we train in PyTorch`, `it used to run on phones`."""
    if item.value("platform") == "unknown" or clause.has("goal"):
        return False
    made = next((each for each in reversed(clause.before(item)) if each.has("made", "past")), None)
    return made is not None and not any(each.has("to") for each in clause.before(item) if each.start > made.start)


def _is_talk(item: Item, clause: Clause) -> bool:
    """Tell whether somebody only spoke on it: `as discussed on the phone`."""
    before = [each for each in clause.before(item) if not each.has("article", "through")]
    behind = clause.after(item)[:1]
    names = bool(behind) and not behind[0].readings and behind[0].kind == "word" and not behind[0].hint
    led = any(each.has("through", "of", "inside", "to", "targeting") for each in clause.before(item)[-2:])
    short = item.end - item.start == len(item.text) + len("'s") and item.kind == "word"
    if short and names and not clause.has("goal", "modal", "upper", "lower"):
        return True  # `the phone's ringing`
    if names and clause.has("present", "past", "has") and not led and not clause.has("goal", "modal"):
        return True  # `our cloud bill was 48,000`
    return bool(before) and before[-1].has("talk") and not before[-1].has("by") and item.value("platform") == "edge"
