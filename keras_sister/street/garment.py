"""Draw the upper garment or the dress."""

import numpy as np
from PIL import Image

from keras_sister.street.brush import mirrored, within, without
from keras_sister.street.cut import HEMS, front_opening, neckline_opening, torso
from keras_sister.street.details import draw_collar, draw_tie
from keras_sister.street.figure import Figure, beyond_wrist


def draw_garment(figure: Figure) -> None:
    """Draw the garment above the hips, or the dress, without its sleeves."""
    outfit, canvas = figure.outfit, figure.canvas
    outline, opening = torso(figure), neckline_opening(figure, 1.0)
    opened = outfit.category == "outerwear" and outfit.neckline != "other"
    if outfit.inner and (opened or outfit.category == "suit"):
        inner = figure.draw_fabric(outfit.inner)
        collar_opening = neckline_opening(figure, 0.55) if outfit.category == "suit" else opening
        canvas.paint(without(outline, collar_opening), inner, depth=0.3)
        if outfit.category == "suit":
            draw_collar(figure, inner)
            draw_tie(figure)
        opening = front_opening(figure, 0.40 if outfit.category == "suit" else HEMS["outerwear"] + 0.03)
    cover = without(outline, opening)
    canvas.paint(cover, figure.garment, depth=0.6)
    if outfit.category == "dress":
        _skirt_of_dress(figure)
    if not opened and outfit.category != "suit":
        trim = within(without(neckline_opening(figure, 1.22), opening), cover)
        canvas.paint(trim, figure.garment * 0.78, depth=0)
    if outfit.category == "sweater":
        _knit(figure, cover)
    canvas.shadow(opening, cover, 0.25, (0.0, 0.010))


def draw_sleeves(figure: Figure) -> None:
    """Draw sleeves of the outfit's length."""
    outfit, canvas, limb = figure.outfit, figure.canvas, figure.body.limb
    if outfit.sleeves == "none":
        return
    loose = {"outerwear": 0.012, "sweater": 0.009, "suit": 0.006}.get(outfit.category, 0.005)
    for arm in figure.arms:
        widths = [w * limb + loose for w in (0.034, 0.029, 0.021)]
        if outfit.sleeves == "long":
            sleeve = canvas.limb([*arm[:2], beyond_wrist(arm, -0.016)], widths)
            cuff = canvas.limb([beyond_wrist(arm, -0.026), beyond_wrist(arm, -0.014)], [widths[2] * 1.06] * 2)
        else:
            (x0, y0), (x1, y1) = arm[:2]
            end = (0.42 * x0 + 0.58 * x1, 0.42 * y0 + 0.58 * y1)
            sleeve = canvas.limb([arm[0], end], [widths[0], widths[0] * 1.02])
            cuff = canvas.limb([end, end], [widths[0] * 1.02] * 2)
        canvas.paint(sleeve, figure.garment, depth=0.42)
        if outfit.category == "sweater" or (outfit.category in ("shirt", "outerwear") and outfit.sleeves == "long"):
            canvas.paint(cuff, figure.garment * 0.8, depth=0.5)


def _skirt_of_dress(figure: Figure) -> None:
    body, hem = figure.body, figure.rng.uniform(0.66, 0.76)
    flare = figure.rng.uniform(1.15, 1.75)
    skirt = mirrored(
        [
            (body.waist * 1.0, 0.395),
            (body.hip * 1.06, 0.49),
            (body.hip * flare, hem - 0.01),
            (body.hip * flare * 0.9, hem),
        ]
    )
    figure.canvas.paint(figure.canvas.shape(skirt), figure.garment, depth=0.6)
    waist = figure.canvas.line([(-body.waist, 0.405), (0, 0.411), (body.waist, 0.405)], 0.012)
    figure.canvas.paint(waist, figure.garment * 0.7, depth=0.2)


def _knit(figure: Figure, cover: Image.Image) -> None:
    canvas, body = figure.canvas, figure.body
    x = np.arange(canvas.size[0], dtype=np.float32) / canvas.unit
    ribs = figure.garment * (0.90 + 0.13 * np.sin(2 * np.pi * x / 0.013))[None, :, None]
    canvas.paint(cover, ribs, depth=0.6, opacity=0.75)
    hem = canvas.shape(mirrored([(body.hip * 1.14, 0.498), (body.hip * 1.16, 0.54)]), smooth=False)
    canvas.paint(within(hem, cover), ribs * 0.82, depth=0.2)
