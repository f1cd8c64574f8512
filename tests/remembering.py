"""An executor that performs each job once in a session: whole runs that differ elsewhere share what their jobs found.

The first run of a kind is done by real children; the next one that asks for the very same job (tool, step, inputs by
digest, parameters, seed) is given the answer and copies of the files. For tests of what is done with the answers, not
of children, times or the measuring lock.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from shipfit.contracts import Job, JobResult, ProgressSink
from shipfit.tools.worker.local import LocalExecutor

RESULT = "result.json"


class RememberingExecutor(LocalExecutor):
    """Args:
    folder: where answers are kept, one folder each; it belongs to the session.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def run(self, job: Job, inputs: Mapping[str, Path], work: Path, progress: ProgressSink | None = None) -> JobResult:
        kept = self._folder / _key(job)
        if not kept.is_dir():
            result = super().run(job, inputs, work, progress)
            self._keep(result, work, kept)
            return result
        result = JobResult.model_validate_json((kept / RESULT).read_bytes())
        _copy(result, kept, work)
        return result.model_copy(update={"waited_s": 0.0})  # nobody waits for others a second time

    def _keep(self, result: JobResult, work: Path, kept: Path) -> None:
        """Appear whole or not at all: another thread, or another test, may ask meanwhile."""
        self._folder.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=self._folder))
        _copy(result, work, made)
        (made / RESULT).write_text(result.model_dump_json())
        try:
            made.rename(kept)
        except OSError:
            shutil.rmtree(made)


def _copy(result: JobResult, source: Path, target: Path) -> None:
    for path in result.outputs.values():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        if (source / path).is_dir():
            shutil.copytree(source / path, target / path, dirs_exist_ok=True)
        else:
            shutil.copy2(source / path, target / path)


def _key(job: Job) -> str:
    """Return what decides an answer; a file that is named by its path counts with its time and size."""
    facts = job.model_dump(mode="json", exclude={"limits"})
    named = [Path(str(job.params[name])) for name in ("source", "calibration_source") if job.params.get(name)]
    seen = [_state(path) for path in named]
    # What is set around a test decides too: hosts' probes and the like.
    around = {name: value for name, value in os.environ.items() if name.startswith("SHIPFIT_")}
    return hashlib.sha256(json.dumps([facts, seen, around], sort_keys=True).encode()).hexdigest()


def _state(path: Path) -> list[object]:
    """Return time and size of a file, or of each in a folder."""
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    return [(each.name, each.stat().st_mtime_ns, each.stat().st_size) for each in files]
