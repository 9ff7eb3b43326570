"""Someone to be drawn: the head is at (0, 0), the feet are at (0, 1)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from keras_sister.street.brush import Canvas, Point
from keras_sister.street.fabrics import Fabric, weave
from keras_sister.street.head import Face, cast
from keras_sister.street.outfits import Outfit

_ARMS = {"hang": (0.16, -0.10), "hip": (0.66, -0.86), "front": (0.34, -1.15), "out": (0.42, 0.15), "wave": (0.75, 2.7)}
"""How arms are held: the angles of upper arm and forearm from the vertical, outwards, in radians."""


@dataclass(frozen=True)
class Body:
    """Half-widths, as shares of the height; `limb` is relative."""

    neck: float
    shoulder: float
    waist: float
    hip: float
    limb: float


_BODIES = {
    "female": Body(neck=0.023, shoulder=0.104, waist=0.068, hip=0.096, limb=0.88),
    "male": Body(neck=0.030, shoulder=0.126, waist=0.090, hip=0.091, limb=1.06),
}


@dataclass
class Figure:
    """A person, their clothes, and the canvas they are painted on.

    Attributes:
        arms: shoulder, elbow and wrist of the left and of the right arm.
    """

    canvas: Canvas
    outfit: Outfit
    rng: np.random.Generator
    body: Body
    face: Face
    arms: list[list[Point]]

    @cached_property
    def garment(self) -> np.ndarray:
        """The cloth of the upper garment over the whole canvas."""
        return self.weave(self.outfit.garment)

    def weave(self, fabric: Fabric) -> np.ndarray:
        """A fabric over the whole canvas, with soft folds; float32 (height, width, 3)."""
        canvas = self.canvas
        chest = canvas.pixels([(0, 0.315)])[0]
        unit = self.rng.uniform(0.020, 0.030) * canvas.unit
        woven = weave(fabric, canvas.size, unit, self.rng, center=(chest[0], chest[1])).astype(np.float32)
        grid = Image.fromarray(self.rng.normal(0, 1, (14, 12)).astype(np.float32))
        folds = np.asarray(grid.resize(canvas.size, Image.Resampling.BICUBIC))
        return woven * (1 + 0.055 * folds[..., None]).clip(0.8, 1.15)


def pose(canvas: Canvas, outfit: Outfit, rng: np.random.Generator) -> Figure:
    """Someone in `outfit`; build, face and how they hold their arms are drawn by lot."""
    build = rng.uniform(0.92, 1.12)
    norm = _BODIES[outfit.gender]
    body = Body(norm.neck, norm.shoulder * (build + 1) / 2, norm.waist * build, norm.hip * build, norm.limb * build)
    arms = [_arm(side, body.shoulder, rng) for side in (-1, 1)]
    return Figure(canvas, outfit, rng, body, cast(rng, outfit.gender), arms)


def beyond(arm: list[Point], by: float) -> Point:
    """A point on the line of the forearm, `by` behind the wrist."""
    elbow, wrist = np.array(arm[1]), np.array(arm[2])
    x, y = wrist + by * (wrist - elbow) / np.hypot(*(wrist - elbow))
    return float(x), float(y)


def _arm(side: int, reach: float, rng: np.random.Generator) -> list[Point]:
    upper, lower = np.array(_ARMS[rng.choice(list(_ARMS), p=[0.44, 0.24, 0.12, 0.13, 0.07])]) + rng.normal(0, 0.07, 2)
    shoulder = np.array([side * (reach - 0.029), 0.240])
    elbow = shoulder + 0.172 * np.array([side * np.sin(upper), np.cos(upper)])
    wrist = elbow + 0.150 * np.array([side * np.sin(lower), np.cos(lower)])
    return [(float(x), float(y)) for x, y in (shoulder, elbow, wrist)]
