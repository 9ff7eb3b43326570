"""Draw a person, from the rearmost parts to the front ones."""

import numpy as np

from keras_sister.street.body import draw_legs, draw_skin
from keras_sister.street.brush import Canvas
from keras_sister.street.details import draw_details, draw_scarf
from keras_sister.street.figure import random_figure
from keras_sister.street.garment import draw_garment, draw_sleeves
from keras_sister.street.head import draw_back_hair, draw_head
from keras_sister.street.outfits import Outfit


def draw_person(canvas: Canvas, outfit: Outfit, rng: np.random.Generator) -> None:
    """Draw a person in `outfit`; pose, build, face and the tints of the clothes are random."""
    figure = random_figure(canvas, outfit, rng)
    draw_back_hair(canvas, figure.face)
    draw_legs(figure)
    draw_skin(figure)
    draw_garment(figure)
    draw_sleeves(figure)
    draw_details(figure)
    draw_head(canvas, figure.face)
    draw_scarf(figure)
