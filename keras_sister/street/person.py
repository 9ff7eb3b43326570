"""Draw a person, from the rearmost parts to the front ones."""

import numpy as np

from keras_sister.street.body import draw_legs, draw_skin
from keras_sister.street.brush import Canvas
from keras_sister.street.details import draw_details, draw_scarf
from keras_sister.street.figure import random_figure
from keras_sister.street.garment import draw_garment, draw_sleeves
from keras_sister.street.head import draw_back_hair, draw_head
from keras_sister.street.outfits import Outfit


def draw_person(canvas: Canvas, outfit: Outfit, rng: np.random.Generator) -> np.ndarray:
    """Draw a person in `outfit`; pose, build, face and the tints of the clothes are random.

    Returns:
        bool array, shape (height, width): where the upper garment or the dress is seen, its collar and tie included.
    """
    figure = random_figure(canvas, outfit, rng)
    draw_back_hair(canvas, figure.face)
    draw_legs(figure)
    draw_skin(figure)
    naked = canvas.rgb.copy()
    draw_garment(figure)
    draw_sleeves(figure)
    draw_details(figure)
    dressed = canvas.rgb.copy()
    draw_head(canvas, figure.face)
    draw_scarf(figure)
    return (dressed != naked).any(axis=-1) & (canvas.rgb == dressed).all(axis=-1)
