"""Draw the details of garments (collar, placket, lapels) and accessories (tie, scarf)."""

import numpy as np

from keras_sister.street.brush import mirrored, union, within
from keras_sister.street.cut import HEMS, torso
from keras_sister.street.fabrics import COLORS, tint
from keras_sister.street.figure import Figure


def draw_details(figure: Figure) -> None:
    """Draw lapels, placket, buttons, collar and tie."""
    outfit = figure.outfit
    if outfit.category == "suit":
        _lapels(figure)
        _buttons(figure, [0.405, 0.45], x=0.0)
        return
    if outfit.placket:
        _placket(figure)
    if outfit.collar:
        draw_collar(figure, figure.garment * 1.06, wide=1.25 if outfit.category == "outerwear" else 1.0)
    draw_tie(figure)
    if outfit.neckline == "other" and outfit.category in ("sweater", "outerwear") and not outfit.collar:
        neck = figure.body.neck
        roll = mirrored([(neck * 1.3, 0.158), (neck * 1.6, 0.175), (neck * 1.5, 0.200), (0.01, 0.206)])
        figure.canvas.paint(figure.canvas.shape(roll), figure.garment * 0.9, depth=0.7)


def draw_scarf(figure: Figure) -> None:
    """Draw a scarf around the neck with one end hanging down, if the outfit has one."""
    if not figure.outfit.scarf:
        return
    canvas, cloth = figure.canvas, figure.draw_fabric(figure.outfit.scarf)
    side = 1 if figure.rng.random() < 0.5 else -1
    end = figure.rng.uniform(0.34, 0.44)
    tail = canvas.shape([(side * 0.012, 0.22), (side * 0.052, 0.21), (side * 0.064, end), (side * 0.018, end + 0.008)])
    wrap = mirrored([(0.03, 0.150), (0.062, 0.172), (0.070, 0.205), (0.045, 0.238), (0.012, 0.246)])
    band = canvas.shape(wrap)
    canvas.shadow(union(tail, band), torso(figure), 0.45, (0.006, 0.014))
    canvas.paint(tail, cloth, depth=0.8)
    canvas.paint(band, cloth, depth=0.9)
    for low, high in ((0.19, 0.203), (0.212, 0.228)):
        fold = canvas.line([(-0.058, low), (0, high + 0.01), (0.058, low)], 0.004)
        canvas.paint(within(fold, band), (0, 0, 0), depth=0, opacity=0.3)


def draw_collar(figure: Figure, cloth: np.ndarray, wide: float = 1.0) -> None:
    """Draw both sides of a collar."""
    n = figure.body.neck
    spread = 0.030 if figure.outfit.neckline == "v_shape" and figure.outfit.category != "suit" else 0.018
    for side in (-1, 1):
        flap = [
            (side * 0.002, 0.206),
            (side * n * 1.2, 0.172),
            (side * n * 1.75 * wide, 0.197),
            (side * (spread + 0.014) * wide, 0.247),
        ]
        mask = figure.canvas.shape(flap, smooth=False)
        figure.canvas.paint(mask, cloth, depth=0.3)
        edge = figure.canvas.line([flap[0], flap[3], flap[2]], 0.0035)
        figure.canvas.paint(edge, (0, 0, 0), depth=0, opacity=0.38)


def draw_tie(figure: Figure) -> None:
    """Draw a necktie, if the outfit has one."""
    if not figure.outfit.tie:
        return
    cloth = tint(figure.outfit.tie.color, figure.rng)
    end = 0.40 if figure.outfit.category == "suit" else 0.47
    blade = [(-0.009, 0.222), (0.009, 0.222), (0.022, end - 0.03), (0.0, end), (-0.022, end - 0.03)]
    figure.canvas.paint(figure.canvas.shape(blade, smooth=False), cloth, depth=0.7)
    knot = [(-0.016, 0.200), (0.016, 0.200), (0.009, 0.226), (-0.009, 0.226)]
    figure.canvas.paint(figure.canvas.shape(knot, smooth=False), cloth, depth=0.5)


def _placket(figure: Figure) -> None:
    outfit, canvas = figure.outfit, figure.canvas
    start = 0.275 if outfit.neckline == "v_shape" else 0.205
    end = {"t_shirt": 0.29, "dress": 0.66}.get(outfit.category, HEMS[outfit.category] - 0.006)
    end = max(end, start + 0.06)
    at = 0.0
    if outfit.category == "outerwear" and outfit.neckline != "other":
        at, start = 0.062, 0.30
    strip = canvas.shape([(at - 0.012, start), (at + 0.012, start), (at + 0.012, end), (at - 0.012, end)], smooth=False)
    canvas.paint(strip, figure.garment * 1.05, depth=0.25)
    for side in (-0.012, 0.012):
        canvas.paint(canvas.line([(at + side, start), (at + side, end)], 0.003), (0, 0, 0), depth=0, opacity=0.4)
    _buttons(figure, np.arange(start + 0.015, end - 0.01, 0.042).tolist(), at)


def _buttons(figure: Figure, heights: list[float], x: float) -> None:
    light = sum(COLORS[figure.outfit.garment.color]) < 330
    for y in heights:
        button = figure.canvas.ellipse((x, y), 0.0062, 0.0062)
        figure.canvas.paint(button, (232, 228, 216) if light else (48, 40, 40), depth=0.3)


def _lapels(figure: Figure) -> None:
    for side in (-1, 1):
        lapel = [
            (side * 0.040, 0.176),
            (side * 0.088, 0.236),
            (side * 0.064, 0.250),
            (side * 0.076, 0.268),
            (side * 0.002, 0.402),
            (side * 0.046, 0.215),
        ]
        figure.canvas.paint(figure.canvas.shape(lapel, smooth=False), figure.garment * 0.86, depth=0.35)
        figure.canvas.paint(figure.canvas.line([*lapel[:5]], 0.003), (0, 0, 0), depth=0, opacity=0.4)
    figure.canvas.paint(figure.canvas.line([(0, 0.40), (0.006, 0.555)], 0.004), (0, 0, 0), depth=0, opacity=0.5)
