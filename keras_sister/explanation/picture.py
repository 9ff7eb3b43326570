"""A picture of an explanation: each tower's view beside its heat map, in one colour scale."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Every 16th colour of matplotlib's inferno, which colour-blind people can read and which prints in grey; a table,
# because matplotlib is an extra.
_INFERNO = np.array(
    [
        (0, 0, 4), (11, 7, 36), (33, 12, 74), (61, 9, 101), (87, 16, 110), (113, 25, 110), (138, 34, 106),
        (163, 44, 97), (188, 55, 84), (210, 70, 68), (228, 90, 49), (241, 115, 29), (249, 142, 9), (252, 172, 17),
        (249, 203, 53), (242, 234, 105), (252, 255, 164),
    ],
    np.float32,
)  # fmt: skip
_SIDE = 256  # height and width of a view, in pixels
_GAP = 12
_LINE = 22
_OPACITY = 0.65
_INK = (20, 20, 20)


@dataclass(frozen=True)
class Panel:
    """One tower in a picture.

    Attributes:
        title: the line above it.
        pixels: the view: uint8 array, shape (height, width, 3), RGB.
        heat: its heat map: float array, shape (height, width), at least 0.
    """

    title: str
    pixels: np.ndarray
    heat: np.ndarray


def draw_explanation(lines: list[str], panels: list[Panel]) -> Image.Image:
    """Draw the towers of a model, one per row: the view, and its heat map laid over the view in grey.

    One colour scale serves all towers, from 0 to the highest value of any, so a tower that matters less looks darker.

    Args:
        lines: text above the towers.
        panels: at least one.

    Returns:
        An RGB picture.
    """
    highest = max(float(panel.heat.max()) for panel in panels)
    row = _LINE + _SIDE + _GAP
    width = max(2 * _SIDE + 3 * _GAP, 2 * _GAP + int(max(map(_font().getlength, lines))))
    height = _GAP + len(lines) * _LINE + len(panels) * row + 2 * _LINE + _GAP
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        draw.text((_GAP, _GAP + number * _LINE), line, fill=_INK, font=_font())
    top = _GAP + len(lines) * _LINE
    for panel in panels:
        draw.text((_GAP, top), panel.title, fill=_INK, font=_font())
        view = Image.fromarray(panel.pixels)
        picture.paste(view.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), (_GAP, top + _LINE))
        picture.paste(_overlay(view, panel.heat, highest), (2 * _GAP + _SIDE, top + _LINE))
        top += row
    _draw_scale(picture, top, highest)
    return picture


def inferno(values: np.ndarray) -> np.ndarray:
    """Colours for values from 0 to 1: float32 array of RGB, 0–255, with a last axis of 3."""
    places = np.linspace(0, 1, len(_INFERNO))
    return np.stack([np.interp(values, places, channel) for channel in _INFERNO.T], axis=-1).astype(np.float32)


def _overlay(view: Image.Image, heat: np.ndarray, highest: float) -> Image.Image:
    grey = np.asarray(view.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), np.float32)[..., None]
    share = Image.fromarray((heat / highest if highest > 0 else np.zeros_like(heat)).astype(np.float32))
    colours = inferno(np.asarray(share.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)))
    return Image.fromarray(np.round((1 - _OPACITY) * grey + _OPACITY * colours).astype(np.uint8))


def _draw_scale(picture: Image.Image, top: int, highest: float) -> None:
    draw = ImageDraw.Draw(picture)
    if highest == 0:
        draw.text((_GAP, top), "no part of a view speaks for this class", fill=_INK, font=_font())
        return
    bar = np.broadcast_to(inferno(np.linspace(0, 1, 2 * _SIDE + _GAP)), (_LINE // 2, 2 * _SIDE + _GAP, 3))
    picture.paste(Image.fromarray(bar.round().astype(np.uint8)), (_GAP, top))
    draw.text((_GAP, top + _LINE // 2 + 2), "0", fill=_INK, font=_font())
    draw.text(
        (3 * _GAP + 2 * _SIDE - _GAP, top + _LINE // 2 + 2), f"{highest:.3g}", fill=_INK, font=_font(), anchor="ra"
    )


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(14)
