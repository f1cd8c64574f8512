"""Models and data that many tests read. The files are shared by the whole session: copy before changing one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from shipfit.contracts.settings import LLM_VARIABLE, PROBE_VARIABLE
from shipfit.tools.hardware import fingerprint

from . import hosts, models
from .remembering import RememberingExecutor

# A loaded machine must not turn a test red: nothing is judged by how long it took.
settings.register_profile("shipfit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shipfit")


@pytest.fixture(scope="session", autouse=True)
def known_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The reference machine's probe stands for this one's, also in processes that a test starts."""
    path = tmp_path_factory.mktemp("host") / "probe.json"
    path.write_text(hosts.make_host(fingerprint()).model_dump_json())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PROBE_VARIABLE, str(path))
        patch.delenv(LLM_VARIABLE, raising=False)  # whoever runs the tests may have a language model set
        yield path


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the session's models."""
    return tmp_path_factory.mktemp("zoo")


@pytest.fixture(scope="session")
def remembering(tmp_path_factory: pytest.TempPathFactory) -> RememberingExecutor:
    """Performs each job once a session, for runs of which something else is asked than how children work."""
    return RememberingExecutor(tmp_path_factory.mktemp("jobs"))


@pytest.fixture(scope="session")
def digits_model(zoo: Path) -> Path:
    """A CNN of 26k parameters, free batch axis, right on 19 of 20 digits."""
    return models.save(models.digits_cnn(), zoo / "digits" / "model.onnx")


@pytest.fixture(scope="session")
def digits_data(zoo: Path) -> Path:
    """897 digits that the CNN was not fitted on: `image` (897, 1, 8, 8) and `labels`."""
    images, labels = models.digits_arrays()
    path = zoo / "digits.npz"
    np.savez(path, image=images[900:], labels=labels[900:])
    return path


@pytest.fixture(scope="session")
def old_opset_model(zoo: Path) -> Path:
    """A CNN of opset 11 with Constant-node weights, BatchNormalization, a depthwise Conv and unnamed nodes."""
    return models.save(models.constant_cnn(), zoo / "old" / "model.onnx")


@pytest.fixture(scope="session")
def mlp_model(zoo: Path) -> Path:
    """Dense layers, fixed batch of one, input `x` (1, 16)."""
    return models.save(models.mlp(), zoo / "mlp" / "model.onnx")


@pytest.fixture(scope="session")
def lstm_model(zoo: Path) -> Path:
    """An LSTM with computed weights and a free number of steps, input `x` (steps, 1, 12)."""
    return models.save(models.lstm(), zoo / "lstm" / "model.onnx")


@pytest.fixture(scope="session")
def if_model(zoo: Path) -> Path:
    """An `If` with weights in its branches; inputs `x` (1, 48) and `flag` (bool scalar)."""
    return models.save(models.branching(), zoo / "if" / "model.onnx")


@pytest.fixture(scope="session")
def external_model(zoo: Path) -> Path:
    """The dense model with its weights in `weights.bin`."""
    return models.save(models.mlp(), zoo / "external" / "model.onnx", external=True)
