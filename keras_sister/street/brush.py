"""A canvas for smooth, shaded shapes."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

Point = tuple[float, float]
Paint = tuple[int, int, int] | np.ndarray
"""An RGB colour, or an array of shape (height, width, 3) as large as the canvas."""


class Canvas:
    """An image to draw on, with its opacity.

    Args:
        size: width and height in pixels.
        unit: length of the coordinate 1, in pixels.
        origin: position of the coordinates (0, 0), in pixels.
        lean: rotation of all shapes around the origin, in radians.
        light: direction that the light comes from: (−1, −1) is from the upper left.

    Attributes:
        rgb: float32 array, shape (height, width, 3), RGB, 0–255.
        alpha: float32 array, shape (height, width, 1): opacity, 0–1; 0 where nothing was drawn.
    """

    def __init__(self, size: tuple[int, int], unit: float, origin: Point, lean: float, light: Point) -> None:
        self.size = size
        self.unit = unit
        self.rgb = np.zeros((size[1], size[0], 3), np.float32)
        self.alpha = np.zeros((size[1], size[0], 1), np.float32)
        self.origin = origin
        self.turn = np.array([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]])
        self.light = light

    def pixels(self, points: Sequence[Point] | np.ndarray) -> np.ndarray:
        """Convert coordinates to pixels: float64 array, shape (len(points), 2)."""
        return np.asarray(points, np.float64) @ self.turn.T * self.unit + np.asarray(self.origin)

    def shape(self, points: Sequence[Point], *, smooth: bool = True) -> Image.Image:
        """Mask of a closed outline: an image in mode L at twice the canvas's size, like every mask below."""
        corners = self.pixels(_rounded(points) if smooth else points) * 2
        mask = Image.new("L", (2 * self.size[0], 2 * self.size[1]))
        ImageDraw.Draw(mask).polygon([tuple(corner) for corner in corners], fill=255)
        return mask

    def ellipse(self, center: Point, width: float, height: float) -> Image.Image:
        """Mask of an ellipse with half-axes `width` and `height`."""
        angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        return self.shape(
            [(center[0] + width * np.cos(a), center[1] + height * np.sin(a)) for a in angles], smooth=False
        )

    def limb(self, joints: Sequence[Point], widths: Sequence[float]) -> Image.Image:
        """Mask of an arm or a leg: a bent tube with round joints and a half-width for each joint."""
        mask = Image.new("L", (2 * self.size[0], 2 * self.size[1]))
        draw = ImageDraw.Draw(mask)
        centers, radii = self.pixels(joints) * 2, np.asarray(widths) * self.unit * 2
        for (x, y), r in zip(centers, radii, strict=True):
            draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
        for a, b, ra, rb in zip(centers, centers[1:], radii, radii[1:], strict=False):
            along = (b - a) / max(1e-6, np.hypot(*(b - a)))
            across = np.array([-along[1], along[0]])
            quad = [a + across * ra, b + across * rb, b - across * rb, a - across * ra]
            draw.polygon([tuple(corner) for corner in quad], fill=255)
        return mask

    def line(self, points: Sequence[Point], width: float) -> Image.Image:
        """Mask of a line of `width`."""
        mask = Image.new("L", (2 * self.size[0], 2 * self.size[1]))
        corners = self.pixels(points) * 2
        ImageDraw.Draw(mask).line(
            [tuple(corner) for corner in corners], fill=255, width=max(2, round(2 * width * self.unit)), joint="curve"
        )
        return mask

    def paint(self, mask: Image.Image, paint: Paint, *, depth: float = 0.5, opacity: float = 1.0) -> None:
        """Paint the area of a mask.

        Args:
            mask: a mask that one of the methods above returned.
            paint: a colour, or an array as large as the canvas, of which the area of the mask is used.
            depth: strength of the shading that makes the shape look round; 0 is flat.
            opacity: opacity of the paint, 0–1.
        """
        box = mask.getbbox()
        if box is None:
            return
        margin = round(0.03 * self.unit) * 2
        left, top = max(0, box[0] - margin) // 2, max(0, box[1] - margin) // 2
        right = min(2 * self.size[0], box[2] + margin + 2) // 2
        bottom = min(2 * self.size[1], box[3] + margin + 2) // 2
        small = mask.crop((2 * left, 2 * top, 2 * right, 2 * bottom)).reduce(2)
        cover = np.asarray(small, np.float32)[..., None] / 255
        color = np.asarray(paint, np.float32)
        if color.ndim == 3:
            color = color[top:bottom, left:right]
        if depth:
            color = color * self._shading(small, depth)
        here = np.s_[top:bottom, left:right]
        self.rgb[here] += (color - self.rgb[here]) * cover * opacity
        self.alpha[here] = np.maximum(self.alpha[here], cover)

    def shadow(self, mask: Image.Image, within: Image.Image, strength: float, shift: Point = (0.0, 0.012)) -> None:
        """Cast a shadow of `mask`, shifted by `shift`, on the area of `within` outside `mask`."""
        offset = [round(2 * self.unit * s) for s in shift]
        moved = ImageChops.offset(mask.filter(ImageFilter.GaussianBlur(0.016 * self.unit)), *offset)
        falls = ImageChops.multiply(ImageChops.subtract(moved, mask), within)
        self.paint(falls, (0, 0, 0), depth=0, opacity=strength)

    def _shading(self, mask: Image.Image, depth: float) -> np.ndarray:
        """Brightness factors that make a flat shape look round: float32 (height, width, 1), 0.4–1.35."""
        radius = 0.022 * self.unit
        height = np.asarray(mask.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255
        down, across = np.gradient(height)
        facing = across * self.light[0] + down * self.light[1]
        return (1 - depth * 0.22 * (1 - height) * 2 + depth * 1.1 * radius * -facing)[..., None].clip(0.4, 1.35)


def union(*masks: Image.Image) -> Image.Image:
    """Union of masks."""
    first, *rest = masks
    for mask in rest:
        first = ImageChops.lighter(first, mask)
    return first


def without(mask: Image.Image, hole: Image.Image) -> Image.Image:
    """`mask` minus `hole`."""
    return ImageChops.subtract(mask, hole)


def within(mask: Image.Image, other: Image.Image) -> Image.Image:
    """Intersection of two masks."""
    return ImageChops.multiply(mask, other)


def mirrored(points: Sequence[Point]) -> list[Point]:
    """A symmetric closed outline from the points of its right half, top to bottom."""
    return [*points, *((-x, y) for x, y in reversed(points))]


def _rounded(points: Sequence[Point], steps: int = 6) -> np.ndarray:
    """A closed Catmull-Rom curve through points: float64 array, shape (steps · len(points), 2)."""
    p1 = np.asarray(points, np.float64)
    p0, p2, p3 = np.roll(p1, 1, axis=0), np.roll(p1, -1, axis=0), np.roll(p1, -2, axis=0)
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    p0, p1, p2, p3 = (p[:, None] for p in (p0, p1, p2, p3))
    curve = p1 + t / 2 * (p2 - p0) + t**2 * (p0 - 2.5 * p1 + 2 * p2 - p3 / 2) + t**3 * (1.5 * (p1 - p2) + (p3 - p0) / 2)
    return curve.reshape(-1, 2)
