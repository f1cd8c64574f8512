"""What lives in the zoo: how each model is made, with the samples that go with it.

A maker writes `model.onnx` into a folder and returns the samples; `build.py` splits them into what shipfit is given
and what is held out from it.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import graphs
import networks
import numpy as np
import published
import speech
import torch
from datasets import Arrays
from fetch import fetch
from prepare import labelled_files_of, split
from sessions import open_session
from torch import nn
from training import train, write_onnx

from shipfit.interfaces.scenarios.load import load_models

Maker = Callable[[Path], Arrays]
_DIGIT_EPOCHS = 6


def pinned(name: str) -> dict[str, Path]:
    """Return the files of a published model, role → path."""
    return fetch(name, load_models()[name])


def _model(folder: Path) -> Path:
    return folder / "model.onnx"


def _digits(make: Callable[[], nn.Module], folder: Path, epochs: int = _DIGIT_EPOCHS, opset: int = 17) -> Arrays:
    """Train on digits, write the file, and return the digits that were not trained on."""
    (images, kinds), (rest, labels) = datasets.digits()
    network = train(make, images, kinds, epochs)
    write_onnx(network, _model(folder), [rest[:1]], ["image"], ["scores"], opset)
    return {"image": rest, "labels": labels}


def digits_cnn(folder: Path) -> Arrays:
    return _digits(networks.plain, folder, 4)


def digits_mobile(folder: Path) -> Arrays:
    return _digits(networks.mobile, folder, 8)


def digits_resnet(folder: Path) -> Arrays:
    return _digits(networks.residual, folder, 4)


def digits_transformer(folder: Path) -> Arrays:
    return _digits(networks.Transformer, folder, 20)


def _rows(kind: type[nn.LSTM] | type[nn.GRU], folder: Path) -> Arrays:
    (images, kinds), (rest, labels) = datasets.digits()
    network = train(lambda: networks.Recurrent(kind), images[:, 0], kinds, 18, rate=6e-3)
    write_onnx(network, _model(folder), [rest[:1, 0]], ["rows"], ["scores"])
    return {"rows": rest[:, 0], "labels": labels}


def rows_lstm(folder: Path) -> Arrays:
    return _rows(nn.LSTM, folder)


def rows_gru(folder: Path) -> Arrays:
    return _rows(nn.GRU, folder)


def diabetes_dense(folder: Path) -> Arrays:
    (features, course), (rest, targets) = datasets.diabetes()
    network = train(lambda: networks.dense(10, 1), features, course, 5, nn.functional.mse_loss, 1e-3)
    write_onnx(network, _model(folder), [rest[:1]], ["features"], ["course"])
    return {"features": rest, "targets": targets}


def cancer_dense(folder: Path) -> Arrays:
    (features, kinds), (rest, labels) = datasets.cancer()
    network = train(lambda: networks.dense(30, 2), features, kinds, 10)
    write_onnx(network, _model(folder), [rest[:1]], ["features"], ["scores"])
    arrays = {"features": rest, "labels": labels}
    _write_csv(split(arrays)[0], folder / "data.csv")
    return arrays


def _write_csv(arrays: Arrays, path: Path) -> None:
    """Write one vector a row, and its label."""
    columns = [f"features_{index}" for index in range(arrays["features"].shape[1])]
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*columns, "label"])
        pairs = zip(arrays["features"].tolist(), arrays["labels"].tolist(), strict=True)
        rows.writerows([*features, label] for features, label in pairs)


def digits_denoiser(folder: Path) -> Arrays:
    (noisy, clean), (rest, _) = datasets.noisy_digits()
    network = train(networks.denoiser, noisy, clean, 8, nn.functional.mse_loss)
    write_onnx(network, _model(folder), [rest[:1]], ["noisy"], ["clean"])
    return {"noisy": rest}


def sounds_cnn(folder: Path) -> Arrays:
    (waves, kinds), (rest, labels) = datasets.sounds()
    network = train(lambda: networks.audio(len(datasets.SOUNDS)), waves, kinds, 8)
    write_onnx(network, _model(folder), [rest[:1]], ["wave"], ["scores"])
    return {"wave": rest, "labels": labels}


def quantized_cnn(folder: Path) -> Arrays:
    arrays = _digits(networks.plain, folder, 4)
    (images, _), _ = datasets.digits()
    graphs.quantized(_model(folder), "image", images[:64])
    return arrays


def half_precision_resnet(folder: Path) -> Arrays:
    arrays = _digits(networks.residual, folder, 3)
    graphs.half_precision(_model(folder))
    return arrays


def constant_weights(folder: Path) -> Arrays:
    arrays = _digits(lambda: networks.plain(96), folder, 4, opset=11)
    graphs.constants_for_weights(_model(folder))
    return arrays


def external_data(folder: Path) -> Arrays:
    arrays = _digits(lambda: networks.plain(160), folder, 4)
    graphs.weights_outside(_model(folder))
    return arrays


def control_flow(folder: Path) -> Arrays:
    (images, kinds), (rest, labels) = datasets.digits()
    network = train(graphs.Stepped, images.reshape(-1, 64), kinds, 10)
    assert isinstance(network, graphs.Stepped)
    graphs.write_stepped(network, _model(folder))
    return {"pixels": rest.reshape(-1, 64), "labels": labels}


def free_shapes(folder: Path) -> Arrays:
    (noisy, clean), (rest, _) = datasets.noisy_digits()
    network = train(networks.segmenter, noisy, clean, 4, nn.functional.mse_loss)
    axes = {2: "height", 3: "width"}
    write_onnx(network, _model(folder), [rest[:1]], ["image"], ["ink"], free={"image": axes, "ink": axes})
    tiles = rest[: len(rest) // 8 * 8].reshape(-1, 2, 4, 1, 8, 8).transpose(0, 3, 1, 4, 2, 5)
    return {"image": np.ascontiguousarray(tiles.reshape(-1, 1, 16, 32))}


def silero_sequence(folder: Path) -> Arrays:
    path = pinned("silero_vad_16k_sequence")["model"]
    shutil.copyfile(path, _model(folder))
    session = open_session(path)

    def step(feed: Arrays) -> tuple[np.ndarray, np.ndarray]:
        after = dict(zip([output.name for output in session.get_outputs()], session.run(None, feed), strict=True))
        return after["hn"], after["cn"]

    return speech.blocks(96, 32, 0, step)


def silero_streaming(folder: Path) -> Arrays:
    """Return streams of frames; the model's state is zero at first and fed back by whoever runs it."""
    shutil.copyfile(pinned("silero_vad_16k_op15")["model"], _model(folder))
    streams, calls = 30, 16
    sound = speech.talk(streams * calls * speech.FRAME / speech.RATE, 2).reshape(streams, calls, speech.FRAME)
    before = np.zeros((streams, calls, speech.CONTEXT), np.float32)
    before[:, 1:] = sound[:, :-1, -speech.CONTEXT :]
    return {"input": np.concatenate([before, sound], axis=2), "sr": np.full(streams, speech.RATE, np.int64)}


def magika(folder: Path) -> Arrays:
    files = pinned("magika")
    shutil.copyfile(files["model"], _model(folder))
    return labelled_files_of(files)


def pp_ocr_direction(folder: Path) -> Arrays:
    shutil.copyfile(pinned("pp_ocr_direction")["model"], _model(folder))
    return datasets.text_lines(120, 0)


def pp_ocr_detection(folder: Path) -> Arrays:
    shutil.copyfile(pinned("pp_ocr_detection")["model"], _model(folder))
    return {"x": datasets.pages(48)}


def pp_ocr_recognition(folder: Path) -> Arrays:
    shutil.copyfile(pinned("pp_ocr_recognition")["model"], _model(folder))
    return {"x": datasets.text_lines(144, 4)["x"][::2]}


def mini_lm(folder: Path) -> Arrays:
    """The samples that shipfit is given are texts, with the published tokenizer; those held out are read by us."""
    files = pinned("mini_lm")
    texts = datasets.texts()[:150]
    arrays = datasets.sentences(texts, files["tokenizer"])
    given, _ = split({"texts": np.array(texts)})
    (folder / "texts.txt").write_text("\n".join(given["texts"]) + "\n", encoding="utf-8")
    shutil.copyfile(files["tokenizer"], folder / "tokenizer.json")
    shutil.copyfile(files["model"], folder / "weights.safetensors")
    write_sentence_encoder(files["model"], arrays, folder)
    return arrays


def write_sentence_encoder(weights: Path, arrays: Arrays, folder: Path) -> None:
    """Write MiniLM as a model of texts of any length, `arrays` being some."""
    examples = [array[:1] for array in arrays.values()]
    free = {name: {1: "length"} for name in arrays}
    network = published.sentence_encoder(weights)
    write_onnx(network, _model(folder), examples, list(arrays), ["embedding"], free=free)


def _faces(network: nn.Module, role: str, size: int, outputs: list[str], folder: Path) -> Arrays:
    crops = datasets.crops(size, 240)
    free = {name: {2: "height", 3: "width"} for name in ("image", *outputs)} if role == "proposal" else None
    weights = pinned("face_nets")[role]
    shutil.copyfile(weights, folder / "weights.pt")
    face_net = published.face_net(network, weights)
    write_onnx(face_net, _model(folder), [crops[:1]], ["image"], outputs, free=free)
    return {"image": crops}


def face_proposal(folder: Path) -> Arrays:
    return _faces(published.ProposalNet(), "proposal", 96, ["box", "face"], folder)


def face_refine(folder: Path) -> Arrays:
    return _faces(published.RefineNet(), "refine", 24, ["box", "face"], folder)


def face_output(folder: Path) -> Arrays:
    return _faces(published.OutputNet(), "model", 48, ["box", "landmarks", "face"], folder)


def torch_cnn(folder: Path) -> Arrays:
    """A torch module by its state dict, and as an exported program to compare products with."""
    from safetensors.torch import save_file

    (images, kinds), (rest, labels) = datasets.digits()
    network = train(networks.plain, images, kinds, 4)
    save_file(network.state_dict(), folder / "weights.safetensors")
    _export(network, rest[:2], folder / "model.pt2")
    return {"input": rest, "labels": labels}


def torch_resnet(folder: Path) -> Arrays:
    """An exported program."""
    (images, kinds), (rest, labels) = datasets.digits()
    _export(train(networks.residual, images, kinds, 4), rest[:2], folder / "model.pt2")
    return {"input": rest, "labels": labels}


def _export(network: nn.Module, example: Any, path: Path) -> None:
    """Keep a torch network as an exported program with a free batch."""
    batch = torch.export.Dim("batch", min=1, max=1024)
    program = torch.export.export(network, (torch.from_numpy(example),), dynamic_shapes=({0: batch},), strict=False)
    torch.export.save(program, path)


MAKERS: dict[str, Maker] = {
    maker.__name__: maker
    for maker in (
        digits_cnn,
        digits_mobile,
        digits_resnet,
        digits_transformer,
        rows_lstm,
        rows_gru,
        diabetes_dense,
        cancer_dense,
        digits_denoiser,
        sounds_cnn,
        quantized_cnn,
        half_precision_resnet,
        constant_weights,
        external_data,
        control_flow,
        free_shapes,
        silero_sequence,
        silero_streaming,
        magika,
        pp_ocr_direction,
        pp_ocr_detection,
        pp_ocr_recognition,
        mini_lm,
        face_proposal,
        face_refine,
        face_output,
        torch_cnn,
        torch_resnet,
    )
}
