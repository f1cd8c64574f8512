"""Compiled modules as plain JSON under `SHIPFIT_HOME/agents`: written whole, read as data from anybody."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import dspy
from pydantic import TypeAdapter, ValidationError

from ...contracts import AgentState, MachineError, Specialist, TunedModule
from ..search.proposals import Part
from .reflection import lessons_of
from .specialists import PROPOSING

MAX_BYTES = 256 * 1024
MAX_SITUATION = 4000
_DEMO_FIELDS = frozenset({"augmented", "situation", "proposals"})


class Unreadable(ValueError):
    """A file is not used; the message says why."""


def path_of(folder: Path, agent: Specialist) -> Path:
    """Return where an agent's compiled module is kept."""
    return folder / f"{agent}.json"


def save(folder: Path, tuned: TunedModule) -> Path:
    """Write a compiled module so that a reader sees the old one or the new one, never a part.

    Raises:
        MachineError: the folder cannot be written.
    """
    target = path_of(folder, tuned.agent)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".part", delete=False, encoding="utf-8") as file:
            file.write(tuned.model_dump_json(indent=1))
        os.replace(file.name, target)
    except OSError as error:
        raise MachineError(f"{target} cannot be written: {error}") from error
    return target


def read(folder: Path, agent: Specialist) -> TunedModule | None:
    """Return what an agent learned, checked; None where it learned nothing.

    Raises:
        Unreadable: the file is too large, damaged, or of another version.
    """
    path = path_of(folder, agent)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise Unreadable(f"is larger than {MAX_BYTES} bytes")
    try:
        tuned = TunedModule.model_validate_json(content)
    except ValidationError as error:
        raise Unreadable(f"is damaged: {error.errors(include_url=False)[0]['msg'][:200]}") from error
    if tuned.agent != agent:
        raise Unreadable(f"is of the {tuned.agent} agent")
    _checked(tuned)
    return tuned


def module_of(tuned: TunedModule) -> dspy.Module:
    """Return the module with the examples and lessons that it learned.

    Raises:
        Unreadable: the examples are not such as its code asks for.
    """
    module = PROPOSING[tuned.agent]()
    demos = _checked(tuned)
    for name, predictor in _predictors(module).items():
        predictor.demos = demos[name]
        said = tuned.state[name].signature["instructions"]
        predictor.signature = predictor.signature.with_instructions(said)
    return module


def states(folder: Path, agents: Iterable[Specialist] = tuple(PROPOSING)) -> list[AgentState]:
    """Return what each agent uses, or why a file that is there is not used."""
    found: list[AgentState] = []
    for agent in agents:
        try:
            found.append(AgentState(agent=agent, tuned=read(folder, agent)))
        except Unreadable as error:
            found.append(AgentState(agent=agent, problem=f"{path_of(folder, agent)} {error}"))
    return found


def modules_for(language_model: str, known: Iterable[AgentState]) -> dict[Specialist, dspy.Module]:
    """Return agent → compiled module, of those that were compiled with this language model."""
    return {
        each.agent: module_of(each.tuned)
        for each in known
        if each.tuned is not None and each.tuned.language_model == language_model
    }


def _checked(tuned: TunedModule) -> dict[str, list[Any]]:
    """Return predictor → its examples, typed."""
    predictors = _predictors(PROPOSING[tuned.agent]())
    if set(predictors) != set(tuned.state):
        raise Unreadable("was made by another version of shipfit; tune again")
    found: dict[str, list[Any]] = {}
    for name, state in tuned.state.items():
        signature = predictors[name].signature
        _check_signature(state.signature, signature.dump_state())
        annotation: Any = signature.output_fields["proposals"].annotation
        kind = TypeAdapter[list[Part]](annotation)
        found[name] = [_demo(demo, kind) for demo in state.demos]
    return found


def _check_signature(kept: dict[str, Any], own: dict[str, Any]) -> None:
    """Hold what a predictor asks for to the code: whoever writes here may add examples and lessons, nothing else."""
    said = kept.get("instructions")
    same = {**kept, "instructions": own["instructions"]} == own
    if not same or not isinstance(said, str) or lessons_of(said, own["instructions"]) is None:
        raise Unreadable("was made by another version of shipfit; tune again")


def _predictors(module: dspy.Module) -> dict[str, Any]:
    """Return the predictors of a module by name; DSPy does not say of what type they are."""
    return dict(cast("list[tuple[str, Any]]", module.named_predictors()))


def _demo(demo: dict[str, Any], kind: TypeAdapter[list[Part]]) -> dict[str, Any]:
    situation = demo.get("situation")
    if not set(demo) <= _DEMO_FIELDS or not isinstance(situation, str) or len(situation) > MAX_SITUATION:
        raise Unreadable("holds an example that is none")
    try:
        proposals = kind.validate_python(demo.get("proposals"))
    except ValidationError as error:
        raise Unreadable("holds an example whose proposals are none") from error
    return {"augmented": True, "situation": situation, "proposals": proposals}
