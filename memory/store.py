"""The artifact store: folders addressed by the sha256 of their content, which appear at once or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ..contracts import ArtifactRef, MachineError
from ..contracts.sealed import known_digest, remember
from .digests import CHUNK_BYTES, combined_digest, file_digest, folder_digests, open_plain, plain_files
from .faults import named
from .staging import stage

# The name under which tools look for an artifact that is put as a single file.
_FILE_NAMES = {"model": "model.onnx", "table": "table.json", "profile": "profile.json"}
_STAGES = "tmp"
_READ_ONLY = 0o444


class LocalArtifactStore:
    """Implements `contracts.ArtifactStore` in a folder that several processes share.

    Attributes:
        root: folder of the store, made at the first `put`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._verified: set[str] = set()

    def put(
        self, source: Path, kind: str, *, move: bool = False, claim: Callable[[str], None] | None = None
    ) -> ArtifactRef:
        """Store a file, or the files of a folder, and return the reference; equal content is stored once.

        Args:
            source: plain files only; a single file takes the name that tools expect of its kind.
            kind: `model`, `data`, `table` or `profile`.
            move: take the files away from `source` instead of copying them.
            claim: called with the artifact's id before it can be found; a lease taken then keeps `prune` from
                removing an equal artifact that is there already.

        Raises:
            MachineError: the disk is full, something cannot be read or written, or `source` holds no plain file.
        """
        with named(self.root), stage(self.root / _STAGES) as staged:
            files = dict(self._fill(source, kind, staged, move))
            if not files:
                raise MachineError(f"{source} holds no file; an artifact needs one")
            size = sum((staged / name).stat().st_size for name in files)
            reference = ArtifactRef.model_validate({"id": combined_digest(files), "kind": kind, "size_bytes": size})
            if claim is not None:
                claim(reference.id)
            self._publish(staged, reference.id, files)
            if move:
                _remove_source(source)
        return reference

    def path(self, ref: ArtifactRef) -> Path:
        """Return the artifact's folder; its content is compared with its digest once in the life of this store.

        Raises:
            MachineError: it is not there, or damaged.
        """
        folder = self._folder(ref.id)
        with named(folder):
            if not folder.is_dir():
                raise MachineError(f"artifact {ref.id[:12]} is gone from {self.root}; start the run anew")
            if not self._is_sound(ref.id):
                raise MachineError(f"artifact {ref.id[:12]} in {self.root} is damaged; remove {folder} and run again")
        return folder

    def exists(self, artifact: str) -> bool:
        """Tell whether an artifact of that id is there."""
        return self._folder(artifact).is_dir()

    def ids(self) -> list[str]:
        """Return the ids of all artifacts."""
        return sorted(folder.name for folder in self._folders())

    def size(self, artifact: str | None = None) -> int:
        """Return the bytes of one artifact, or of all."""
        folders = self._folders() if artifact is None else iter([self._folder(artifact)])
        return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())

    def remove(self, artifact: str) -> bool:
        """Remove an artifact, at once for everybody who looks; tell whether it was there."""
        with named(self.root), stage(self.root / _STAGES) as staged:
            self._verified.discard(artifact)
            return self._discard(artifact, staged)

    def _folder(self, artifact: str) -> Path:
        return self.root / artifact[:2] / artifact

    def _folders(self) -> Iterator[Path]:
        return self.root.glob("[0-9a-f][0-9a-f]/*")

    def _fill(self, source: Path, kind: str, staged: Path, move: bool) -> Iterator[tuple[str, str]]:
        take = _move if move else _copy
        if source.is_dir() and not source.is_symlink():
            for name in plain_files(source):
                (staged / name).parent.mkdir(parents=True, exist_ok=True)
                yield name, take(source / name, staged / name)
        else:
            name = _FILE_NAMES.get(kind, source.name)
            yield name, take(source, staged / name)

    def _publish(self, staged: Path, artifact: str, files: Mapping[str, str]) -> None:
        folder = self._folder(artifact)
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sync(staged)
        for _ in range(3):
            try:
                staged.rename(folder)
                break
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            if self._is_sound(artifact):
                _refuse_other_names(folder, set(files))
                return
            with stage(self.root / _STAGES) as damaged:
                self._discard(artifact, damaged)
        _sync(folder.parent)
        self._verified.add(artifact)
        _remember(folder, files)

    def _is_sound(self, artifact: str) -> bool:
        if artifact not in self._verified:
            files = folder_digests(self._folder(artifact))
            if combined_digest(files) != artifact:
                return False
            self._verified.add(artifact)
            _remember(self._folder(artifact), files)
        return True

    def _discard(self, artifact: str, staged: Path) -> bool:
        """Take an artifact away into a stage, which removes it; somebody else may be quicker."""
        try:
            self._folder(artifact).rename(staged / artifact)
        except FileNotFoundError:
            return False
        return True


def _refuse_other_names(folder: Path, names: set[str]) -> None:
    there = set(plain_files(folder))
    if there != names:
        raise MachineError(
            f"the same content is stored already as {', '.join(sorted(there))}, not as {', '.join(sorted(names))}"
        )


def _move(source: Path, target: Path) -> str:
    """Rename `source`, unless it has another name by which it could still be changed or lies on another disk.

    A sealed file of ours, which a tool or a node gave to its product by another name, is taken as it is.
    """
    found = source.lstat()
    known = known_digest(found)
    if (found.st_nlink > 1 and known is None) or found.st_dev != target.parent.stat().st_dev:
        return _copy(source, target)
    source.rename(target)
    digest = known or file_digest(target)
    _sync(target)
    target.chmod(_READ_ONLY)
    return digest


def _remember(folder: Path, files: Mapping[str, str]) -> None:
    for name, digest in files.items():
        remember((folder / name).lstat(), digest)


def _copy(source: Path, target: Path) -> str:
    digest = hashlib.sha256()
    with os.fdopen(open_plain(source), "rb") as reader, target.open("xb") as writer:
        while chunk := reader.read(CHUNK_BYTES):
            digest.update(chunk)
            writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    target.chmod(_READ_ONLY)
    return digest.hexdigest()


def _remove_source(source: Path) -> None:
    if source.is_dir():
        shutil.rmtree(source)
    else:
        source.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
