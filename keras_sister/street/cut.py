"""The cut of garments: outlines, necklines and front openings."""

from PIL import Image

from keras_sister.street.brush import mirrored
from keras_sister.street.figure import Figure

HEMS = {
    "shirt": 0.535,
    "sweater": 0.525,
    "t_shirt": 0.525,
    "outerwear": 0.60,
    "suit": 0.565,
    "tank_top": 0.51,
    "dress": 0.42,
}
"""Position of each category's lower hem as a fraction of the person's height; for a dress that of its waist."""


def torso(figure: Figure) -> Image.Image:
    """Mask of the upper garment, without sleeves and with the neckline still closed."""
    body, kind = figure.body, figure.outfit.category
    loose = {"outerwear": 1.17, "sweater": 1.10, "suit": 1.08, "t_shirt": 1.04}.get(kind, 1.0)
    hem, s = HEMS[kind], body.shoulder * (1 + 0.4 * (loose - 1))
    if figure.outfit.sleeves == "none":
        strapless = kind == "dress" and figure.outfit.neckline == "other"
        top = [(s * 0.74, 0.275)] if strapless else [(s * 0.50, 0.196), (s * 0.66, 0.207), (s * 0.64, 0.27)]
    else:
        top = [(body.neck * 1.2, 0.182), (s * 0.72, 0.197), (s * 1.0, 0.222), (s * 0.92, 0.30)]
    low = [
        (body.waist * loose * 1.06, 0.40),
        (body.hip * loose * 0.98, min(hem - 0.02, 0.49)),
        (body.hip * loose, hem),
        (body.hip * loose * 0.9, hem + 0.006),
    ]
    if kind == "dress":
        low = [(body.waist * 1.04, 0.40), (body.waist * 1.1, 0.425)]
    return figure.canvas.shape(mirrored([*top, (body.shoulder * 0.86 * loose, 0.31), *low]))


def neckline_opening(figure: Figure, grow: float) -> Image.Image:
    """Mask of the opening at the neckline, enlarged by the factor `grow`."""
    canvas, neck, kind = figure.canvas, figure.body.neck, figure.outfit.neckline
    if figure.outfit.category == "suit":
        kind = "v_shape"
    if kind == "v_shape":
        deep = 0.185 + 0.095 * grow
        return canvas.shape(
            [
                (-neck * 1.5 * grow, 0.15),
                (neck * 1.5 * grow, 0.15),
                (neck * 1.35 * grow, 0.20),
                (0, deep),
                (-neck * 1.35 * grow, 0.20),
            ],
            smooth=False,
        )
    if kind == "round":
        return canvas.ellipse((0, 0.183), neck * 1.75 * grow, 0.042 * grow)
    if figure.outfit.sleeves == "none":
        return canvas.shape(
            mirrored(
                [
                    (figure.body.shoulder * 0.52 * grow, 0.15),
                    (figure.body.shoulder * 0.50 * grow, 0.225 + 0.012 * (grow - 1)),
                ]
            ),
            smooth=False,
        )
    if figure.outfit.category == "dress":
        return canvas.ellipse((0, 0.186), figure.body.shoulder * 0.68 * grow, 0.022 * grow)
    return canvas.ellipse((0, 0.170), neck * 1.25 * grow, 0.018 * grow)


def front_opening(figure: Figure, end: float) -> Image.Image:
    """Mask of the opening of a jacket, from the neck down to the height `end`."""
    wide = figure.rng.uniform(0.022, 0.036)
    if figure.outfit.category == "suit":
        return figure.canvas.shape(
            [(-0.040, 0.15), (0.040, 0.15), (0.048, 0.21), (0, end), (-0.048, 0.21)], smooth=False
        )
    return figure.canvas.shape(
        [(-0.044, 0.15), (0.044, 0.15), (wide, 0.30), (wide + 0.018, end), (-wide - 0.018, end), (-wide, 0.30)],
        smooth=False,
    )
