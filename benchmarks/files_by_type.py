"""Files of this system as labelled samples: the label is what the extension promises.

Feature extraction follows the published configuration of the model: the first and the last block of a file,
stripped of white space at the outer end, cut to a number of bytes, padded with a token of its own.
Which files there are depends on the machine, so the benchmark records the digest of the samples.
"""

from __future__ import annotations

import hashlib
import json
import os
import sysconfig
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Where a system with Python keeps files of many types.
ROOTS = ("/usr", sysconfig.get_paths()["purelib"])
_TRIED_PER_LABEL = 400
# Extensions that do not decide the type: a certificate `.crt` is as often text (PEM) as binary (DER).
_AMBIGUOUS = frozenset({"crt"})


@dataclass(frozen=True)
class Features:
    """What the model's configuration says about its input (bytes, the padding token, and the classes in order)."""

    beginning: int
    end: int
    padding: int
    block: int
    least: int
    labels: tuple[str, ...]

    @classmethod
    def load(cls, config: Path) -> Features:
        """Read the configuration, and refuse one that asks for what `extract` does not do."""
        raw = json.loads(config.read_text(encoding="utf-8"))
        if raw["mid_size"] or raw["use_inputs_at_offsets"]:
            raise ValueError(f"{config.name} asks for features that are not known here")
        return cls(
            beginning=raw["beg_size"],
            end=raw["end_size"],
            padding=raw["padding_token"],
            block=raw["block_size"],
            least=raw["min_file_size_for_dl"],
            labels=tuple(raw["target_labels_space"]),
        )

    def extract(self, path: Path) -> np.ndarray | None:
        """Return the tokens of a file (int32), or None when it has too few bytes to say anything."""
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            first = file.read(self.block).lstrip()
            file.seek(max(0, size - self.block))
            last = file.read(self.block).rstrip()
        tokens = np.full(self.beginning + self.end, self.padding, np.int32)
        head, tail = first[: self.beginning], last[-self.end :]
        if len(head) < self.least:
            return None
        tokens[: len(head)] = np.frombuffer(head, np.uint8)
        tokens[len(tokens) - len(tail) :] = np.frombuffer(tail, np.uint8)
        return tokens


def labelled_files(
    config: Path, content_types: Path, least: int, most: int, roots: tuple[str, ...] = ROOTS
) -> dict[str, np.ndarray]:
    """Return `bytes` (n, 2048) and `labels` (n): up to `most` different files of each type that has at least `least`.

    The order mixes the types and depends on the files' contents alone.
    """
    features = Features.load(config)
    label_of = _label_by_extension(features.labels, content_types)
    samples: list[tuple[str, np.ndarray, int]] = []
    for label, paths in sorted(_by_label(label_of, roots).items()):
        found = _different(features, paths, most)
        if len(found) >= least:
            samples += [(digest, tokens, features.labels.index(label)) for digest, tokens in found]
    samples.sort(key=lambda sample: sample[0])
    return {
        "bytes": np.stack([tokens for _, tokens, _ in samples]),
        "labels": np.array([label for _, _, label in samples], np.int64),
    }


def _label_by_extension(labels: tuple[str, ...], content_types: Path) -> dict[str, str]:
    """Return extension → label, for extensions that promise exactly one of the model's types."""
    known = json.loads(content_types.read_text(encoding="utf-8"))
    promised: dict[str, set[str]] = defaultdict(set)
    for label, facts in known.items():
        for extension in facts["extensions"]:
            promised[extension].add(label)
    return {
        extension: next(iter(found))
        for extension, found in promised.items()
        if len(found) == 1 and found <= set(labels) and extension not in _AMBIGUOUS
    }


def _by_label(label_of: dict[str, str], roots: tuple[str, ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path in _walk(roots):
        extension = path.rpartition(".")[2]
        if extension in label_of:
            found[label_of[extension]].append(path)
    # A digest of the path picks files from everywhere instead of the first folders.
    return {label: sorted(paths, key=_digest)[:_TRIED_PER_LABEL] for label, paths in found.items()}


def _walk(roots: tuple[str, ...]) -> Iterator[str]:
    for root in roots:
        for folder, _, names in os.walk(root):
            yield from (os.path.join(folder, name) for name in names if "." in name)


def _digest(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()


def _different(features: Features, paths: list[str], most: int) -> list[tuple[str, np.ndarray]]:
    """Return digest and tokens of the first `most` files that differ in what the model sees."""
    found: dict[str, np.ndarray] = {}
    for path in map(Path, paths):
        if len(found) == most:
            break
        try:
            tokens = features.extract(path) if path.is_file() and not path.is_symlink() else None
        except OSError:  # a file that may not be read, or that is gone by now, is no sample
            continue
        if tokens is not None:
            found.setdefault(hashlib.sha256(tokens.tobytes()).hexdigest(), tokens)
    return list(found.items())
