"""Draw head and hair."""

from dataclasses import dataclass

import numpy as np

from keras_sister.street.brush import Canvas, mirrored

_SKINS = ((236, 204, 182), (228, 188, 158), (222, 176, 140), (196, 144, 106), (150, 102, 72), (104, 70, 52))
_HAIRS = ((28, 24, 24), (58, 40, 30), (96, 64, 42), (140, 84, 50), (212, 174, 110), (168, 164, 160))
_STYLES = {
    "female": {"long": 0.42, "wavy": 0.2, "bob": 0.16, "bun": 0.14, "crop": 0.08},
    "male": {"crop": 0.5, "quiff": 0.28, "buzz": 0.14, "bob": 0.08},
}

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Face:
    """Appearance of a head.

    Attributes:
        skin: colour of the skin, RGB.
        hair: colour of the hair, RGB.
        style: hair style: ``long``, ``wavy``, ``bob``, ``bun``, ``crop``, ``quiff`` or ``buzz``.
        turn: direction of the face, from −1 (left) to 1 (right).
        lips: whether the lips are painted.
        beard: whether there is a beard.
        glasses: whether there are glasses.
    """

    skin: Color
    hair: Color
    style: str
    turn: float
    lips: bool
    beard: bool
    glasses: bool


def random_face(rng: np.random.Generator, gender: str) -> Face:
    """A random face for a gender, ``female`` or ``male``."""
    styles = _STYLES[gender]
    return Face(
        skin=_SKINS[rng.integers(len(_SKINS))],
        hair=_HAIRS[rng.choice(len(_HAIRS), p=[0.3, 0.25, 0.18, 0.1, 0.1, 0.07])],
        style=str(rng.choice(list(styles), p=list(styles.values()))),
        turn=rng.uniform(-1, 1),
        lips=gender == "female",
        beard=gender == "male" and rng.random() < 0.35,
        glasses=rng.random() < 0.12,
    )


def draw_back_hair(canvas: Canvas, face: Face) -> None:
    """Draw the hair behind neck and shoulders."""
    lengths = {"long": (0.080, 0.305), "wavy": (0.092, 0.27), "bob": (0.074, 0.178)}
    if face.style == "bun":
        canvas.paint(canvas.ellipse((0.012 * face.turn, -0.004), 0.03, 0.026), face.hair, depth=0.6)
    if face.style in lengths:
        width, end = lengths[face.style]
        outline = mirrored(
            [(0.0, 0.0), (0.052, 0.03), (width * 0.86, 0.11), (width, (0.14 + end) / 2), (width * 0.7, end)]
        )
        canvas.paint(canvas.shape(outline), _darker(face.hair, 0.8), depth=0.5)


def draw_head(canvas: Canvas, face: Face) -> None:
    """Draw face, ears, beard and the hair around the face."""
    jaw = 0.036 if face.lips else 0.041
    outline = mirrored(
        [(0.0, 0.018), (0.038, 0.032), (0.051, 0.075), (0.047, 0.118), (jaw * 0.8, 0.146), (0.012, 0.166)]
    )
    shift = 0.012 * face.turn
    for side in (-1, 1):
        canvas.paint(canvas.ellipse((side * 0.051, 0.094), 0.009, 0.016), _darker(face.skin, 0.93), depth=0.3)
    head = canvas.shape(outline)
    canvas.paint(head, face.skin, depth=0.45)
    if face.beard:
        chin = mirrored([(0.018, 0.134), (0.045, 0.104), (0.046, 0.13), (0.03, 0.158), (0.010, 0.170)])
        canvas.paint(canvas.shape(chin), face.hair, depth=0.3, opacity=0.85)
    _features(canvas, face, shift)
    _front_hair(canvas, face, shift)


def _features(canvas: Canvas, face: Face, shift: float) -> None:
    brow, dark = _darker(face.hair, 0.7), (38, 28, 28)
    for side in (-1, 1):
        x = side * 0.02 + shift
        canvas.paint(canvas.ellipse((x, 0.089), 0.0085, 0.0048), (245, 243, 240), depth=0)
        canvas.paint(canvas.ellipse((x + 0.2 * shift, 0.089), 0.0046, 0.0048), dark, depth=0)
        canvas.paint(canvas.line([(x - 0.010, 0.077), (x, 0.0735), (x + 0.010, 0.077)], 0.004), brow, depth=0)
    canvas.paint(
        canvas.line([(shift * 1.3, 0.092), (shift * 1.5 + 0.004, 0.111), (shift * 1.3, 0.113)], 0.003),
        _darker(face.skin, 0.75),
        depth=0,
    )
    mouth = (176, 62, 70) if face.lips else _darker(face.skin, 0.62)
    canvas.paint(canvas.ellipse((shift, 0.131), 0.014, 0.0042), mouth, depth=0)
    canvas.paint(canvas.ellipse((shift - 0.03, 0.112), 0.010, 0.007), (226, 110, 96), depth=0, opacity=0.16)
    canvas.paint(canvas.ellipse((shift + 0.03, 0.112), 0.010, 0.007), (226, 110, 96), depth=0, opacity=0.16)
    if face.glasses:
        for side in (-1, 1):
            canvas.paint(
                canvas.ellipse((side * 0.021 + shift, 0.09), 0.016, 0.012), (26, 26, 30), depth=0, opacity=0.85
            )
        canvas.paint(canvas.line([(shift - 0.045, 0.086), (shift + 0.045, 0.086)], 0.004), (26, 26, 30), depth=0)


def _front_hair(canvas: Canvas, face: Face, shift: float) -> None:
    part = 0.02 if face.turn > 0 else -0.02
    if face.style == "buzz":
        cap = mirrored([(0.0, 0.012), (0.034, 0.022), (0.052, 0.062), (0.050, 0.078), (0.040, 0.050), (0.0, 0.042)])
        canvas.paint(canvas.shape(cap), face.hair, depth=0.2, opacity=0.8)
        return
    top = -0.012 if face.style == "quiff" else 0.002
    side = {"long": 0.16, "wavy": 0.15, "bob": 0.15}.get(face.style, 0.088)
    right = [(0.036, 0.014), (0.058, 0.06), (0.060, side), (0.050, side - 0.008), (0.047, 0.078), (0.032, 0.05)]
    left = [(-x, y) for x, y in reversed(right)]
    hair = canvas.shape([(shift * 0.4, top), *right, (part, 0.040), *left])
    canvas.paint(hair, face.hair, depth=0.55)
    shine = canvas.line([(-0.028, 0.030), (-0.008, 0.018), (0.016, 0.017)], 0.006)
    canvas.paint(shine, _darker(face.hair, 1.5), depth=0, opacity=0.35)


def _darker(color: Color, factor: float) -> Color:
    return tuple(min(255, int(c * factor)) for c in color)  # type: ignore[return-value]
