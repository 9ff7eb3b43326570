"""Geometry of the page's line charts: from numbers to points of an SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 340, 210
LEFT, RIGHT, TOP, BOTTOM = 42, 10, 10, 36  # room for the labels of the axes


@dataclass(frozen=True)
class LineChart:
    """Lines over epochs.

    Attributes:
        lines: by kind (``train``, ``val``) a line for each fold.
        bottom, top: limits of the vertical axis.
        epochs: the longest line's number of points.
    """

    lines: dict[str, list[list[float]]]
    bottom: float
    top: float
    epochs: int

    @property
    def y_ticks(self) -> list[tuple[float, str]]:
        """Place and label of the horizontal grid lines."""
        step = nice_step(self.top - self.bottom)
        digits = max(0, -math.floor(math.log10(step)))
        first, last = math.ceil(self.bottom / step - 1e-9), math.floor(self.top / step + 1e-9)
        return [(self.y(n * step), f"{n * step:.{digits}f}") for n in range(first, last + 1)]

    @property
    def x_ticks(self) -> list[tuple[float, str]]:
        """Place and label of the epochs on the axis, counted from 1."""
        step = max(1, round(nice_step(self.epochs - 1 or 1)))
        shown = sorted({1, *range(step, self.epochs + 1, step)})
        return [(self.x(epoch - 1), str(epoch)) for epoch in shown]

    def x(self, epoch: int) -> float:
        """Horizontal place of an epoch, counted from 0."""
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (epoch / (self.epochs - 1) if self.epochs > 1 else 0.5), 1)

    def y(self, value: float) -> float:
        """Vertical place of a value."""
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (self.top - value) / (self.top - self.bottom), 1)

    def points(self, line: Sequence[float]) -> str:
        """The ``points`` of an SVG polyline."""
        return " ".join(f"{self.x(epoch):g},{self.y(value):g}" for epoch, value in enumerate(line))


def line_chart(lines: dict[str, list[list[float]]], *, highest: float | None = None) -> LineChart | None:
    """A chart of `lines`, whose axis starts at 0 and ends above the highest value, or at `highest`.

    Returns:
        None if there is no point to draw.
    """
    values = [value for folds in lines.values() for line in folds for value in line]
    if not values:
        return None
    epochs = max(len(line) for folds in lines.values() for line in folds)
    return LineChart(lines, 0.0, highest or max(values) * 1.05 or 1.0, epochs)


def nice_step(span: float) -> float:
    """A step of 1, 2 or 5 times a power of ten that divides `span` into at most six parts.

    Example:
        >>> nice_step(100), nice_step(0.7)
        (20.0, 0.2)
    """
    power = 10 ** math.floor(math.log10(span / 5))
    return float(min(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= 6))
