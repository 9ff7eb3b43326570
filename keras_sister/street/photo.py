"""One synthetic photo: a person on a street with passers-by, then lighting and camera effects."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from keras_sister.street.brush import Canvas
from keras_sister.street.outfits import random_outfit
from keras_sister.street.person import draw_person
from keras_sister.street.scene import draw_scene


@dataclass(frozen=True)
class Street:
    """A synthetic photo with its person mask, the place of the garment, and labels.

    Attributes:
        photo: uint8 array, shape (height, width, 3), RGB.
        mask: uint8 array, shape (height, width), 255 where the person is, 0 elsewhere.
        garment: bool array, shape (height, width), true where the upper garment or the dress is seen.
        labels: int8 array, shape (26,), in the order of `keras_sister.schema.DCSA`; all known.
    """

    photo: np.ndarray
    mask: np.ndarray
    garment: np.ndarray
    labels: np.ndarray


def draw_photo(seed: int, index: int) -> Street:
    """Draw a photo. The same seed and index always give the same photo.

    Args:
        seed: random seed of the dataset.
        index: index of the photo in the dataset, from 0.

    Returns:
        The photo, its person mask, and its 26 labels. The photo is 150 to 260 pixels wide and 1.25 to 1.5 times as
        high.

    Example:
        >>> street = draw_photo(seed=0, index=7)
        >>> street.photo.shape[:2] == street.mask.shape, street.labels.shape
        (True, (26,))
    """
    rng = np.random.default_rng([seed, index])
    outfit = random_outfit(rng)
    width = int(rng.integers(150, 261))
    height = int(width * rng.uniform(1.25, 1.5))
    shown = rng.choice([rng.uniform(0.5, 0.66), rng.uniform(0.66, 0.85), 1.0], p=[0.5, 0.35, 0.15])
    above = rng.uniform(0.03, 0.09)
    unit = float(height * (0.96 - above) / shown)
    origin = (width * rng.normal(0.5, 0.06), height * above)
    light = (-0.8 if rng.random() < 0.5 else 0.8, -0.6)

    ground = origin[1] + unit * rng.uniform(0.84, 0.93)
    scene = draw_scene((width, height), ground, unit, rng)
    scene = _add_passers_by(scene, unit, origin, light, rng)
    scene = _blur(scene, unit * rng.uniform(0.0005, 0.006))

    canvas = Canvas((width, height), unit, origin, rng.normal(0, 0.035), light)
    garment = draw_person(canvas, outfit, rng)
    alpha = canvas.alpha
    cast = np.roll(_blur(alpha, 0.02 * unit), round(-light[0] * 0.03 * unit), axis=1)
    scene = scene * (1 - 0.35 * cast)
    photo = scene * (1 - alpha) + canvas.rgb * alpha
    photo = _camera_effects(photo, light, rng)
    return Street(photo, np.where(alpha[..., 0] >= 0.5, 255, 0).astype(np.uint8), garment, outfit.labels)


def _add_passers_by(
    scene: np.ndarray, unit: float, origin: tuple[float, float], light: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    """Draw other people behind the person: distant ones, and near ones that the photo's edge cuts off."""
    height, width = scene.shape[:2]
    for _ in range(rng.choice(4, p=[0.2, 0.35, 0.3, 0.15])):
        near = rng.random() < 0.5
        size = unit * (rng.uniform(0.9, 1.05) if near else rng.uniform(0.5, 0.75))
        x = width * (rng.choice([-0.02, 1.02]) + rng.normal(0, 0.04) if near else rng.uniform(0.05, 0.95))
        eyes = origin[1] + 0.09 * unit  # everyone's eyes are at the height of the camera
        canvas = Canvas((width, height), size, (float(x), eyes - 0.09 * size), rng.normal(0, 0.03), light)
        draw_person(canvas, random_outfit(rng), rng)
        soft = unit * rng.uniform(0.001, 0.006)
        alpha = _blur(canvas.alpha, soft)
        scene = scene * (1 - alpha) + _blur(canvas.rgb * canvas.alpha, soft)
    return scene


def _camera_effects(photo: np.ndarray, light: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Apply exposure, white balance, light from one side, contrast, blur, vignette and noise; returns uint8."""
    height, width = photo.shape[:2]
    across = np.linspace(-1, 1, width)[None, :, None]
    down = np.linspace(-1, 1, height)[:, None, None]
    warmth = rng.normal(0, 0.045)
    photo = photo * np.array([1 + warmth, 1.0, 1 - warmth]) * rng.uniform(0.85, 1.18)
    photo = photo * (1 + rng.uniform(0, 0.2) * across * np.sign(light[0]))
    photo = photo * (1 - rng.uniform(0, 0.22) * (across**2 + down**2) / 2)
    contrast = rng.uniform(0.82, 1.1)
    photo = 118 + (photo - 118) * contrast
    photo = _blur(photo.astype(np.float32), rng.uniform(0, 0.0032) * min(height, width))
    return (photo + rng.normal(0, rng.uniform(1.5, 5), photo.shape)).clip(0, 255).astype(np.uint8)


def _blur(rgb: np.ndarray, radius: float) -> np.ndarray:
    """Blur an image, shape (height, width, channels), with a Gaussian of `radius` pixels."""
    return gaussian_filter(rgb, (radius, radius, 0), truncate=2.5)
