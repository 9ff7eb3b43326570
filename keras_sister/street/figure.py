"""Body and pose of a person, in coordinates with the top of the head at (0, 0) and the feet at (0, 1)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from keras_sister.street.brush import Canvas, Point
from keras_sister.street.fabrics import Fabric, draw_fabric
from keras_sister.street.head import Face, random_face
from keras_sister.street.outfits import Outfit

_ARMS = {"hang": (0.16, -0.10), "hip": (0.66, -0.86), "front": (0.34, -1.15), "out": (0.42, 0.15), "wave": (0.75, 2.7)}
"""Arm poses: outward angles of the upper arm and the forearm from the vertical, in radians."""


@dataclass(frozen=True)
class Body:
    """Half-widths as fractions of the person's height; `limb` is a factor for the widths of arms and legs."""

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
    """A person, their clothes, and the canvas that they are drawn on.

    Attributes:
        canvas: canvas to draw on.
        outfit: clothes of the person.
        rng: random generator of everything that is drawn later.
        body: build of the person.
        face: face of the person.
        arms: coordinates of shoulder, elbow and wrist, for the left and the right arm.
    """

    canvas: Canvas
    outfit: Outfit
    rng: np.random.Generator
    body: Body
    face: Face
    arms: list[list[Point]]

    @cached_property
    def garment(self) -> np.ndarray:
        """Fabric of the upper garment, over the whole canvas: float32 array, shape (height, width, 3), RGB."""
        return self.draw_fabric(self.outfit.garment)

    def draw_fabric(self, fabric: Fabric) -> np.ndarray:
        """Draw a fabric with soft folds over the whole canvas: float32 array, shape (height, width, 3), RGB."""
        canvas = self.canvas
        chest = canvas.pixels([(0, 0.315)])[0]
        unit = self.rng.uniform(0.020, 0.030) * canvas.unit
        flat = draw_fabric(fabric, canvas.size, unit, self.rng, center=(chest[0], chest[1])).astype(np.float32)
        grid = Image.fromarray(self.rng.normal(0, 1, (14, 12)).astype(np.float32))
        folds = np.asarray(grid.resize(canvas.size, Image.Resampling.BICUBIC))
        return flat * (1 + 0.055 * folds[..., None]).clip(0.8, 1.15)


def random_figure(canvas: Canvas, outfit: Outfit, rng: np.random.Generator) -> Figure:
    """A person in `outfit` with random build, face and arm poses."""
    build = rng.uniform(0.92, 1.12)
    norm = _BODIES[outfit.gender]
    body = Body(norm.neck, norm.shoulder * (build + 1) / 2, norm.waist * build, norm.hip * build, norm.limb * build)
    arms = [_arm(side, body.shoulder, rng) for side in (-1, 1)]
    return Figure(canvas, outfit, rng, body, random_face(rng, outfit.gender), arms)


def beyond_wrist(arm: list[Point], by: float) -> Point:
    """The point on the line of the forearm at distance `by` beyond the wrist; before it if `by` is negative."""
    elbow, wrist = np.array(arm[1]), np.array(arm[2])
    x, y = wrist + by * (wrist - elbow) / np.hypot(*(wrist - elbow))
    return float(x), float(y)


def _arm(side: int, reach: float, rng: np.random.Generator) -> list[Point]:
    upper, lower = np.array(_ARMS[rng.choice(list(_ARMS), p=[0.44, 0.24, 0.12, 0.13, 0.07])]) + rng.normal(0, 0.07, 2)
    shoulder = np.array([side * (reach - 0.029), 0.240])
    elbow = shoulder + 0.172 * np.array([side * np.sin(upper), np.cos(upper)])
    wrist = elbow + 0.150 * np.array([side * np.sin(lower), np.cos(lower)])
    return [(float(x), float(y)) for x, y in (shoulder, elbow, wrist)]
