"""Draw legs and skin."""

from keras_sister.street.brush import Paint, mirrored
from keras_sister.street.fabrics import tint
from keras_sister.street.figure import Figure, beyond_wrist


def draw_legs(figure: Figure) -> None:
    """Draw legs, shoes, and trousers, shorts or a skirt."""
    canvas, kind, limb = figure.canvas, figure.outfit.legs, figure.body.limb
    step = figure.rng.uniform(-0.02, 0.035)
    suit = figure.outfit.category == "suit"
    cloth: Paint = figure.garment if suit else tint(figure.outfit.legs_color, figure.rng)
    legs = []
    for side in (-1, 1):
        hip = (side * 0.048, 0.53)
        knee = (side * (0.054 + step), 0.74 - (side * step) * 0.2)
        ankle = (side * (0.055 + step * 0.6), 0.945 - side * step * 0.5)
        legs.append([hip, knee, ankle])
        toe = (ankle[0] + side * 0.014, ankle[1] + 0.026)
        canvas.paint(canvas.limb([(ankle[0], ankle[1] + 0.012), toe], [0.024 * limb, 0.021 * limb]), (44, 38, 36))
    for leg in legs:
        if kind == "trousers":
            canvas.paint(canvas.limb(leg, [0.060 * limb, 0.045 * limb, 0.036 * limb]), cloth)
        else:
            canvas.paint(canvas.limb(leg, [0.052 * limb, 0.035 * limb, 0.021 * limb]), figure.face.skin)
        if kind == "shorts":
            half = ((leg[0][0] + leg[1][0]) / 2, 0.69)
            canvas.paint(canvas.limb([leg[0], half], [0.062 * limb, 0.058 * limb]), cloth)
    wide = figure.body.hip
    seat = mirrored([(wide * 0.7, 0.42), (wide * 0.88, 0.47), (wide * 1.0, 0.54), (0.03, 0.575)])
    if kind in ("trousers", "shorts"):
        canvas.paint(canvas.shape(seat), cloth, depth=0.3)
    if kind == "skirt":
        skirt = mirrored([(wide * 0.8, 0.40), (wide * 1.05, 0.50), (wide * 1.25, 0.66), (wide * 1.2, 0.70)])
        canvas.paint(canvas.shape(skirt), cloth)


def draw_skin(figure: Figure) -> None:
    """Draw neck, chest, arms and hands; clothes are drawn over them."""
    canvas, body = figure.canvas, figure.body
    torso = mirrored(
        [
            (body.neck, 0.14),
            (body.neck * 1.1, 0.185),
            (body.shoulder * 0.86, 0.214),
            (body.shoulder * 0.84, 0.29),
            (body.waist, 0.40),
        ]
    )
    canvas.paint(canvas.shape(torso), figure.face.skin, depth=0.35)
    throat = canvas.shape(mirrored([(body.neck * 1.1, 0.14), (body.neck * 1.15, 0.178)]))
    canvas.paint(throat, tuple(int(c * 0.8) for c in figure.face.skin), depth=0.2, opacity=0.7)  # type: ignore[arg-type]
    for arm in figure.arms:
        widths = [w * body.limb for w in (0.036, 0.028, 0.020)]
        canvas.paint(canvas.limb(arm, widths), figure.face.skin)
        canvas.paint(canvas.ellipse(beyond_wrist(arm, 0.026), 0.019, 0.024), figure.face.skin, depth=0.4)
