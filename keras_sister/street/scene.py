"""Draw the background: a street whose shops, laundry and posters show the same fabrics as the clothes, so that the
background is misleading."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from keras_sister.street.fabrics import draw_fabric, random_color, random_fabric, tint

Box = tuple[float, float, float, float]

_WALLS = (
    (206, 188, 164),
    (178, 104, 84),
    (226, 220, 208),
    (150, 158, 166),
    (196, 172, 120),
    (122, 138, 130),
    (206, 176, 172),
)


def draw_scene(size: tuple[int, int], ground: float, unit: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a background.

    Args:
        size: width and height in pixels.
        ground: line between wall and pavement, in pixels from the top; may be below the image.
        unit: height of a person in front of the wall, in pixels.
        rng: random generator.

    Returns:
        float32 array, shape (height, width, 3), RGB, 0–255.
    """
    width, height = size
    image = Image.new("RGB", (2 * width, 2 * height))  # drawn at twice the size, for soft edges
    scene = _Scene(image, 2 * ground, 2 * unit, rng)
    scene.wall()
    scene.pavement()
    bays = max(1, round(width / (0.55 * unit)))
    edges = np.linspace(0, 2 * width, bays + 1) + rng.normal(0, 0.05 * unit, bays + 1)
    for left, right in itertools.pairwise(edges):
        scene.bay(left, right)
    for _ in range(rng.integers(2, 5)):
        scene.clutter()
    return np.asarray(image.reduce(2), np.float32)


class _Scene:
    def __init__(self, image: Image.Image, ground: float, unit: float, rng: np.random.Generator) -> None:
        self.image, self.ground, self.unit, self.rng = image, ground, unit, rng
        self.draw = ImageDraw.Draw(image, "RGBA")

    def wall(self) -> None:
        width, height = self.image.size
        color = np.array(_WALLS[self.rng.integers(len(_WALLS))]) * self.rng.uniform(0.75, 1.08)
        fade = np.linspace(1.06, 0.86, height)[:, None, None] * np.ones((1, width, 1))
        self.image.paste(Image.fromarray((color * fade).clip(0, 255).astype(np.uint8)))
        course = 0.035 * self.unit
        if self.rng.random() < 0.6:  # bricks
            for row, y in enumerate(np.arange(0, self.ground, course)):
                self.draw.line((0, y, width, y), fill=(255, 250, 240, 46), width=2)
                for x in np.arange(course * (row % 2), width, 2 * course):
                    self.draw.line((x, y, x, y + course), fill=(40, 30, 30, 30), width=2)

    def pavement(self) -> None:
        width, height = self.image.size
        gray = int(self.rng.uniform(118, 190))
        self._rectangle((0, self.ground, width, height), fill=(gray, gray - 4, gray - 10))
        vanishing = (width * self.rng.uniform(0.2, 0.8), self.ground - 0.75 * self.unit)
        for x in np.arange(-2 * width, 3 * width, 0.22 * self.unit):
            slope = (x - vanishing[0]) / (0.75 * self.unit)
            end = x + slope * max(0.0, height - self.ground)
            self.draw.line((x, self.ground, end, height), fill=(60, 56, 54, 70), width=2)
        depth = self.ground
        while depth < height:
            self.draw.line((0, depth, width, depth), fill=(60, 56, 54, 70), width=2)
            depth += max(3.0, 0.03 * self.unit + 0.5 * (depth - self.ground))
        self._rectangle((0, self.ground - 0.03 * self.unit, width, self.ground), fill=(70, 64, 60))

    def bay(self, left: float, right: float) -> None:
        """Draw a shop, a door, a poster or laundry."""
        kinds: list[tuple[float, Callable[[Box], None]]] = [
            (0.42, self._shop),
            (0.14, self._door),
            (0.20, self._poster),
            (0.24, self._washing),
        ]
        rates = [rate for rate, _ in kinds]
        kind = kinds[self.rng.choice(len(kinds), p=rates)][1]
        top = self.ground - self.unit * self.rng.uniform(0.98, 1.1)
        margin = 0.05 * (right - left)
        kind((left + margin, top, right - margin, self.ground - 0.05 * self.unit))

    def clutter(self) -> None:
        """Draw an object on the pavement."""
        kind = (self._parasol, self._plant, self._crates, self._rail)[self.rng.integers(4)]
        center = self.rng.uniform(0, self.image.size[0])
        foot = self.ground + self.unit * self.rng.uniform(0.0, 0.05)
        kind(center, foot)

    def _rectangle(self, box: Box, **options: Any) -> None:
        if box[2] > box[0] and box[3] > box[1]:
            self.draw.rectangle(box, **options)

    def _cloth(self, box: Box, outline: list[tuple[float, float]] | None = None) -> None:
        """Draw a fabric in a box, or in an outline of corners in [0, 1]² of the box."""
        x0, y0, x1, y1 = (round(edge) for edge in box)
        width, height = max(2, x1 - x0), max(2, y1 - y0)
        flat = draw_fabric(
            random_fabric(self.rng), (width, height), self.rng.uniform(0.02, 0.034) * self.unit, self.rng
        )
        drape = 1 + 0.13 * np.sin(np.linspace(0, self.rng.uniform(6, 18), width))[None, :, None]
        panel = Image.fromarray((flat * drape).clip(0, 255).astype(np.uint8))
        mask = Image.new("L", (width, height), 0 if outline else 255)
        if outline:
            ImageDraw.Draw(mask).polygon([(x * width, y * height) for x, y in outline], fill=255)
        self.image.paste(panel, (x0, y0), mask)

    def _shop(self, box: Box) -> None:
        left, top, right, bottom = box
        frame = tint(random_color(self.rng), self.rng)
        self._rectangle((left, top, right, bottom), fill=frame)
        inset = 0.02 * self.unit
        glass = (left + inset, top + 0.16 * self.unit, right - inset, bottom - 0.10 * self.unit)
        warm = self.rng.random() < 0.5
        self._rectangle(glass, fill=(206, 178, 126) if warm else (52, 64, 72))
        for _ in range(self.rng.integers(1, 4)):
            self._mannequin(glass)
        for shift in (0.1, 0.45):
            x, reach = left + shift * (right - left), 0.16 * (right - left)
            corners = [(x + reach, glass[1]), (x + 1.8 * reach, glass[1]), (x + 0.8 * reach, glass[3]), (x, glass[3])]
            self.draw.polygon(corners, fill=(255, 255, 255, 34))
        if self.rng.random() < 0.65:
            low = top + self.unit * self.rng.uniform(0.15, 0.24)
            teeth = [(i / 8, 1.0 if i % 2 else 0.86) for i in range(9)]
            self._cloth(
                (left - inset, top + 0.02 * self.unit, right + inset, low), [(0.05, 0), (0.95, 0), *reversed(teeth)]
            )
        else:
            self._sign((left, top + 0.03 * self.unit, right, top + 0.13 * self.unit))

    def _mannequin(self, glass: Box) -> None:
        """Draw a headless shop mannequin in clothes."""
        high = self.unit * self.rng.uniform(0.26, 0.40)
        wide = high * self.rng.uniform(0.52, 0.66)
        x = self.rng.uniform(glass[0] - wide * 0.3, max(glass[0], glass[2] - wide * 0.7))
        y = min(glass[1] + self.unit * self.rng.uniform(0.02, 0.3), glass[3] - high * 0.8)
        torso = [
            (0.32, 0),
            (0.5, 0.09),
            (0.68, 0),
            (1, 0.12),
            (0.92, 0.45),
            (0.8, 0.42),
            (0.88, 1),
            (0.12, 1),
            (0.2, 0.42),
            (0.08, 0.45),
            (0, 0.12),
        ]
        self._cloth((x, y, x + wide, min(y + high, glass[3])), torso)

    def _sign(self, box: Box) -> None:
        left, top, right, bottom = box
        board, ink = tint(random_color(self.rng), self.rng), (244, 238, 222)
        self._rectangle(box, fill=board)
        letter = 0.45 * (bottom - top)
        for x in np.arange(left + letter, right - letter, 0.9 * letter):
            if self.rng.random() < 0.85:
                high = letter * self.rng.uniform(0.7, 1.1)
                self._rectangle((x, bottom - letter * 0.6 - high, x + 0.55 * letter, bottom - 0.6 * letter), fill=ink)

    def _door(self, box: Box) -> None:
        left, top, right, bottom = box
        left, right = left + 0.15 * (right - left), right - 0.15 * (right - left)
        color = tint(random_color(self.rng), self.rng)
        self._rectangle((left, top + 0.08 * self.unit, right, bottom), fill=color)
        for low, high in ((0.16, 0.46), (0.52, 0.86)):
            panel = (
                left + 0.2 * (right - left),
                top + low * (bottom - top),
                right - 0.2 * (right - left),
                top + high * (bottom - top),
            )
            self._rectangle(panel, outline=(30, 26, 24, 120), width=max(2, round(0.008 * self.unit)))

    def _poster(self, box: Box) -> None:
        left, top, right, bottom = box
        low = top + self.rng.uniform(0.45, 0.7) * (bottom - top)
        inset = 0.012 * self.unit
        self._rectangle((left - inset, top + 0.1 * self.unit - inset, right + inset, low + inset), fill=(240, 236, 226))
        self._cloth((left, top + 0.1 * self.unit, right, low))

    def _washing(self, box: Box) -> None:
        """Draw laundry on a line."""
        left, top, right, _ = box
        line = top + self.unit * self.rng.uniform(0.08, 0.2)
        self.draw.line((left, line, right, line), fill=(60, 56, 54), width=2)
        x = left
        while x < right:
            wide, high = self.unit * self.rng.uniform(0.12, 0.24), self.unit * self.rng.uniform(0.2, 0.42)
            self._cloth((x, line, min(x + wide, right), line + high))
            x += wide * self.rng.uniform(1.05, 1.3)

    def _parasol(self, center: float, foot: float) -> None:
        wide, top = 0.62 * self.unit, foot - 1.2 * self.unit
        self._rectangle((center - 3, top, center + 3, foot), fill=(88, 74, 60))
        canopy = [(0.5, 0), (0.78, 0.25), (1, 1), (0.75, 0.82), (0.5, 1), (0.25, 0.82), (0, 1), (0.22, 0.25)]
        self._cloth((center - wide / 2, top, center + wide / 2, top + 0.26 * self.unit), canopy)

    def _plant(self, center: float, foot: float) -> None:
        pot = 0.07 * self.unit
        self.draw.polygon(
            [
                (center - pot, foot - 0.14 * self.unit),
                (center + pot, foot - 0.14 * self.unit),
                (center + 0.7 * pot, foot),
                (center - 0.7 * pot, foot),
            ],
            fill=(164, 92, 66),
        )
        for _ in range(26):
            x = center + self.rng.normal(0, 0.07 * self.unit)
            y = foot - self.unit * self.rng.uniform(0.14, 0.62)
            r = self.unit * self.rng.uniform(0.02, 0.05)
            green = self.rng.uniform(0.6, 1.15)
            self.draw.ellipse((x - r, y - r, x + r, y + r), fill=(int(70 * green), int(124 * green), int(66 * green)))

    def _crates(self, center: float, foot: float) -> None:
        wide, high = 0.2 * self.unit, 0.11 * self.unit
        for row in range(self.rng.integers(1, 4)):
            top = foot - (row + 1) * high
            fruit = tint(random_color(self.rng), self.rng)
            for x in np.linspace(center - wide * 0.85, center + wide * 0.85, 6):
                r = 0.026 * self.unit
                self.draw.ellipse((x - r, top - r, x + r, top + r), fill=fruit)
            self._rectangle(
                (center - wide, top, center + wide, top + high), fill=(156, 116, 74), outline=(90, 64, 42), width=2
            )

    def _rail(self, center: float, foot: float) -> None:
        """Draw a clothes rail."""
        wide, top = 0.34 * self.unit, foot - 0.82 * self.unit
        for x in (center - wide, center + wide):
            self.draw.line((x, top, x, foot), fill=(58, 58, 62), width=max(2, round(0.012 * self.unit)))
        self.draw.line(
            (center - wide, top, center + wide, top), fill=(58, 58, 62), width=max(2, round(0.012 * self.unit))
        )
        for x in np.arange(center - wide, center + wide, 0.085 * self.unit):
            high = self.unit * self.rng.uniform(0.3, 0.5)
            self._cloth(
                (x, top, x + 0.1 * self.unit, top + high),
                [(0.2, 0), (0.8, 0), (1, 0.12), (0.95, 1), (0.05, 1), (0, 0.12)],
            )
