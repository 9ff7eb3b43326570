"""Fabrics: one colour, or a pattern of two colours."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

COLORS = {
    "red": (196, 44, 48),
    "yellow": (232, 196, 62),
    "green": (66, 138, 72),
    "cyan": (84, 190, 200),
    "blue": (52, 84, 170),
    "purple": (126, 70, 150),
    "brown": (124, 84, 56),
    "white": (238, 236, 230),
    "gray": (136, 138, 142),
    "black": (40, 40, 46),
}
"""RGB value of each colour of the schema."""

_COLOR_RATES = {
    "black": 0.17,
    "white": 0.16,
    "blue": 0.14,
    "gray": 0.12,
    "red": 0.10,
    "brown": 0.08,
    "green": 0.07,
    "purple": 0.06,
    "yellow": 0.05,
    "cyan": 0.05,
}
_PATTERN_RATES = {"solid": 0.58, "stripe": 0.10, "plaid": 0.08, "floral": 0.09, "spot": 0.07, "graphics": 0.08}


@dataclass(frozen=True)
class Fabric:
    """A pattern in one colour or in two.

    Attributes:
        pattern: ``solid``, ``floral``, ``spot``, ``graphics``, ``plaid`` or ``stripe``.
        color: main colour, a key of `COLORS`.
        accent: second colour; equal to `color` for ``solid``.
    """

    pattern: str
    color: str
    accent: str

    @property
    def colors(self) -> set[str]:
        """Both colours, or the one of ``solid``."""
        return {self.color, self.accent}


def random_fabric(rng: np.random.Generator, pattern: str | None = None) -> Fabric:
    """A random fabric, of a random pattern unless one is given."""
    pattern = pattern or _choose(rng, _PATTERN_RATES)
    color = random_color(rng)
    if pattern == "solid":
        return Fabric(pattern, color, color)
    lightness = {name: sum(rgb) for name, rgb in COLORS.items()}
    # The accent must be visible on the colour, or there would be no pattern.
    distinct = {n: r for n, r in _COLOR_RATES.items() if abs(lightness[n] - lightness[color]) > 130}
    return Fabric(pattern, color, _choose(rng, distinct))


def random_color(rng: np.random.Generator) -> str:
    """A random key of `COLORS`; dark and white clothes are the most frequent."""
    return _choose(rng, _COLOR_RATES)


def tint(color: str, rng: np.random.Generator) -> tuple[int, int, int]:
    """An RGB value near that of a colour: a random brightness and a little noise."""
    brightness = rng.uniform(0.86, 1.08)
    return tuple(int(np.clip(c * brightness + rng.normal(0, 5), 0, 255)) for c in COLORS[color])  # type: ignore[return-value]


def draw_fabric(
    fabric: Fabric,
    size: tuple[int, int],
    unit: float,
    rng: np.random.Generator,
    center: tuple[float, float] | None = None,
) -> np.ndarray:
    """Draw a fabric over a rectangle.

    Args:
        fabric: fabric to draw.
        size: width and height in pixels.
        unit: size of one element of the pattern, in pixels.
        rng: random generator of tints and positions.
        center: position of the motif of ``graphics``, in pixels; by default the centre of the rectangle.

    Returns:
        uint8 array, shape (height, width, 3), RGB.
    """
    width, height = size
    image = Image.new(
        "RGB", (2 * width, 2 * height), tint(fabric.color, rng)
    )  # drawn at twice the size, for soft edges
    draw = ImageDraw.Draw(image, "RGBA")
    accent, step = tint(fabric.accent, rng), max(4.0, 2 * unit)
    if fabric.pattern == "stripe":
        _stripes(draw, image.size, step, accent, upright=rng.random() < 0.3)
    elif fabric.pattern == "plaid":
        _plaid(draw, image.size, step, accent)
    elif fabric.pattern == "spot":
        _spots(draw, image.size, step, accent)
    elif fabric.pattern == "floral":
        _flowers(draw, image.size, step, accent, rng)
    elif fabric.pattern == "graphics":
        x, y = center or (width / 2, height / 2)
        _motif(draw, (2 * x, 2 * y), 2.4 * step, accent, rng)
    return np.asarray(image.reduce(2))


def _stripes(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], step: float, color: tuple[int, ...], *, upright: bool
) -> None:
    for at in np.arange(0, size[0] if upright else size[1], 2 * step):
        draw.rectangle((at, 0, at + step, size[1]) if upright else (0, at, size[0], at + step), fill=color)


def _plaid(draw: ImageDraw.ImageDraw, size: tuple[int, int], step: float, color: tuple[int, ...]) -> None:
    for along, length in enumerate(size):
        for at in np.arange(0, length, 3 * step):
            for start, thick, alpha in ((0.0, 1.3, 150), (2.1, 0.3, 220)):
                low, high = at + start * step, at + (start + thick) * step
                box = (low, 0, high, size[1]) if along == 0 else (0, low, size[0], high)
                draw.rectangle(box, fill=(*color, alpha))


def _spots(draw: ImageDraw.ImageDraw, size: tuple[int, int], step: float, color: tuple[int, ...]) -> None:
    radius = 0.55 * step
    for row, y in enumerate(np.arange(0, size[1] + step, 1.7 * step)):
        for x in np.arange(step * (row % 2), size[0] + step, 2 * step):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)


def _flowers(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], step: float, color: tuple[int, ...], rng: np.random.Generator
) -> None:
    for row, y in enumerate(np.arange(0, size[1] + step, 2.3 * step)):
        for x in np.arange(1.3 * step * (row % 2), size[0] + step, 2.6 * step):
            _flower(draw, x + rng.normal(0, 0.25 * step), y + rng.normal(0, 0.25 * step), 0.62 * step, color, rng)


def _flower(
    draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, color: tuple[int, ...], rng: np.random.Generator
) -> None:
    turn = rng.uniform(0, 2 * np.pi)
    leaf = turn + 0.6
    for side in (-1, 1):
        lx, ly = x + side * 1.5 * radius * np.cos(leaf), y + side * 1.5 * radius * np.sin(leaf)
        draw.ellipse((lx - radius / 2, ly - radius / 2, lx + radius / 2, ly + radius / 2), fill=(86, 132, 84))
    for petal in range(5):
        px, py = x + radius * np.cos(turn + 1.257 * petal), y + radius * np.sin(turn + 1.257 * petal)
        draw.ellipse((px - radius * 0.7, py - radius * 0.7, px + radius * 0.7, py + radius * 0.7), fill=color)
    draw.ellipse((x - radius / 2, y - radius / 2, x + radius / 2, y + radius / 2), fill=(240, 205, 90))


def _motif(
    draw: ImageDraw.ImageDraw,
    center: tuple[float, float],
    radius: float,
    color: tuple[int, ...],
    rng: np.random.Generator,
) -> None:
    """A T-shirt print: a sunset, a star or mountains, above a line of text."""
    x, y = center
    kind = rng.integers(3)
    if kind == 0:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
        for at in (0.1, 0.4, 0.7):
            low = y + radius * at
            draw.rectangle((x - radius, low, x + radius, low + 0.13 * radius), fill=(0, 0, 0, 90))
    elif kind == 1:
        angles = np.arange(10) * np.pi / 5 - np.pi / 2
        reach = np.where(np.arange(10) % 2, 0.45, 1.1) * radius
        draw.polygon([(x + r * np.cos(a), y + r * np.sin(a)) for a, r in zip(angles, reach, strict=True)], fill=color)
    else:
        draw.polygon(
            [
                (x - 1.2 * radius, y + 0.7 * radius),
                (x - 0.3 * radius, y - 0.9 * radius),
                (x + 0.6 * radius, y + 0.7 * radius),
            ],
            fill=color,
        )
        draw.polygon(
            [
                (x - 0.2 * radius, y + 0.7 * radius),
                (x + 0.6 * radius, y - 0.3 * radius),
                (x + 1.3 * radius, y + 0.7 * radius),
            ],
            fill=(*color, 170),
        )
    for letter in range(7):
        left = x - radius + letter * 0.29 * radius
        draw.rectangle((left, y + 1.2 * radius, left + 0.2 * radius, y + 1.48 * radius), fill=color)


def _choose(rng: np.random.Generator, rates: dict[str, float]) -> str:
    weights = np.array(list(rates.values()))
    return str(rng.choice(list(rates), p=weights / weights.sum()))
