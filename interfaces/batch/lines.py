"""Line numbers of a YAML file, so that a refusal can say where."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Lines:
    """Where each key and each list entry of a file stands: place → line, counted from 1."""

    name: str
    lines: Mapping[Place, int]

    def at(self, place: Place) -> str:
        """Return the file and the line of a place, or of the nearest thing around it."""
        while place and place not in self.lines:
            place = place[:-1]
        line = self.lines.get(place)
        return self.name if line is None else f"{self.name}, line {line}"

    def of_fault(self, place: Place, message: str) -> str:
        """Return the file and line of the key below `place` that a message speaks of, the innermost first."""
        said = set(re.findall(r"\w+", message))
        below = [known for known in self.lines if known[: len(place)] == place and len(known) > len(place)]
        named = [known for known in below if isinstance(known[-1], str) and known[-1] in said]
        return self.at(max(named, key=len) if named else place)


def read_lines(text: str, name: str) -> Lines:
    """Return the lines of a text that is known to be sound YAML."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    return Lines(name, dict(_walk(root, ())) if root is not None else {})


def _walk(node: yaml.Node, place: Place) -> Iterator[tuple[Place, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield (*place, key.value), key.start_mark.line + 1
                yield from _walk(value, (*place, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*place, index), value.start_mark.line + 1
            yield from _walk(value, (*place, index))
