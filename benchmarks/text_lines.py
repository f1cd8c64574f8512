"""Lines of text for a direction classifier: a stroke font of our own, drawn antialiased with numpy.

Upright and upside down, in several slants, weights, contrasts and noises, on 48×192 crops, as a text
detector cuts them out.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

HEIGHT, WIDTH = 48, 192

# Polylines on a grid 4 wide and 6 high, y downward; two digits a point, a space between polylines.
_STROKES = {
    "A": "062046 1434", "B": "06003041320333451606", "C": "4130100105163645", "D": "0600304145360600".replace(" ", ""),
    "E": "40000646 0333", "F": "400006 0333", "G": "413010010516364543 4323", "H": "0006 4046 0343", "I": "2026",
    "J": "304030351605", "K": "0006 400346", "L": "000646", "M": "0600234046", "N": "06004640",
    "O": "103041453616050110", "P": "06003041423303", "Q": "103041453616050110 2446", "R": "06003041423303 2346",
    "S": "4130100112344516 1605", "T": "0040 2026", "U": "000516364540", "V": "002640", "W": "0016233640",
    "X": "0046 4006", "Y": "002340 2326", "Z": "00400646",
    "0": "103041453616050110", "1": "112026", "2": "0110304142064606 0646", "3": "00402343453605", "4": "36300444",
    "5": "40000243453605", "6": "30010516364543330304", "7": "004026", "8": "103041330305164534 3301 0110",
    "9": "1645413010010333", "-": "0343", "/": "0640", ".": "2526", ":": "2122 2425",
}  # fmt: skip
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def text_lines(count: int, seed: int) -> dict[str, np.ndarray]:
    """Return `count` crops as the model's input `x` (count, 3, 48, 192), in −1..1; every second one is turned by 180°.

    The pixels are normalised as the model's configuration asks: (value − 0.5) / 0.5, free space to the right is 0.
    """
    rng = np.random.default_rng(seed)
    crops = [_crop(rng, turned=bool(index % 2)) for index in range(count)]
    return {"x": np.stack(crops).astype(np.float32)}


def _crop(rng: np.random.Generator, turned: bool) -> np.ndarray:
    ink, width = _line(_words(rng), rng)
    paper, colour = _colours(rng)
    image = paper[:, None, None] + (colour - paper)[:, None, None] * ink[None, :, :width]
    image = np.clip(image + rng.normal(0, rng.uniform(0.0, 0.04), image.shape), 0, 1)
    crop = np.zeros((3, HEIGHT, WIDTH))
    crop[:, :, :width] = ((image[:, ::-1, ::-1] if turned else image) - 0.5) / 0.5
    return crop


def _words(rng: np.random.Generator) -> str:
    length = int(rng.integers(4, 11))
    letters = [str(rng.choice(list(_ALPHABET))) for _ in range(length)]
    if length > 5 and rng.random() < 0.6:
        letters[int(rng.integers(2, length - 2))] = str(rng.choice(list(" -/.:")))
    return "".join(letters)


def _colours(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return paper and ink as RGB in 0..1, dark on light four times in five."""
    light, dark = rng.uniform(0.75, 1.0, 3), rng.uniform(0.0, 0.35, 3)
    return (light, dark) if rng.random() < 0.8 else (dark, light)


def _line(text: str, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Return the coverage of ink, (48, 192) in 0..1, and the width in use."""
    advance = min(rng.uniform(15, 20), (WIDTH - 12) / len(text))
    scale = np.array([advance * rng.uniform(0.14, 0.18), rng.uniform(4.6, 5.8)])
    top = (HEIGHT - 6 * scale[1]) / 2
    slant, radius = rng.uniform(-0.15, 0.25), rng.uniform(1.0, 2.2)
    ink = np.zeros((HEIGHT, WIDTH))
    for position, letter in enumerate(text):
        for start, end in _segments(letter):
            offset = np.array([6 + position * advance, top])
            lean = np.array([slant * (6 - start[1]), 0]), np.array([slant * (6 - end[1]), 0])
            points = offset + scale * (start + lean[0]), offset + scale * (end + lean[1])
            np.maximum(ink, _segment_ink(*points, radius), out=ink)
    return ink, min(WIDTH, int(12 + len(text) * advance))


def _segments(letter: str) -> list[tuple[np.ndarray, np.ndarray]]:
    segments: list[tuple[np.ndarray, np.ndarray]] = []
    for stroke in _STROKES.get(letter, "").split():
        points = [np.array([int(stroke[i]), int(stroke[i + 1])], float) for i in range(0, len(stroke), 2)]
        segments += list(pairwise(points))
    return segments


_Y, _X = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)


def _segment_ink(start: np.ndarray, end: np.ndarray, radius: float) -> np.ndarray:
    """Return the coverage of a round-capped line, from the distance of each pixel to the segment."""
    (ax, ay), (dx, dy) = start, end - start
    along = np.clip(((_X - ax) * dx + (_Y - ay) * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
    distance = np.hypot(_X - ax - along * dx, _Y - ay - along * dy)
    return np.asarray(np.clip(radius + 0.5 - distance, 0, 1))
