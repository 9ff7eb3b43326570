"""A person, from the head at (0, 0) to the feet at (0, 1), and the clothes on them."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from keras_sister.data.street.brush import Canvas, Point, mirrored, union, within, without
from keras_sister.data.street.fabrics import COLORS, Fabric, tint, weave
from keras_sister.data.street.head import cast, draw_back_hair, draw_head
from keras_sister.data.street.outfits import Outfit

_ARMS = {"hang": (0.16, -0.10), "hip": (0.66, -0.86), "front": (0.34, -1.15), "out": (0.42, 0.15), "wave": (0.75, 2.7)}
"""How arms are held: the angles of upper arm and forearm from the vertical, outwards, in radians."""

_HEMS = {
    "shirt": 0.535,
    "sweater": 0.525,
    "t_shirt": 0.525,
    "outerwear": 0.60,
    "suit": 0.565,
    "tank_top": 0.51,
    "dress": 0.42,
}


@dataclass(frozen=True)
class Body:
    """Half-widths, as shares of the height."""

    neck: float
    shoulder: float
    waist: float
    hip: float
    limb: float


_BODIES = {
    "female": Body(neck=0.023, shoulder=0.104, waist=0.068, hip=0.096, limb=0.88),
    "male": Body(neck=0.030, shoulder=0.126, waist=0.090, hip=0.091, limb=1.06),
}


def draw_person(canvas: Canvas, outfit: Outfit, rng: np.random.Generator) -> None:
    """Paint someone in `outfit`; pose, build, face and the tints of their clothes are drawn by lot."""
    _Painter(canvas, outfit, rng).draw()


class _Painter:
    def __init__(self, canvas: Canvas, outfit: Outfit, rng: np.random.Generator) -> None:
        self.canvas, self.outfit, self.rng = canvas, outfit, rng
        build = rng.uniform(0.92, 1.12)
        norm = _BODIES[outfit.gender]
        self.body = Body(
            norm.neck, norm.shoulder * (build + 1) / 2, norm.waist * build, norm.hip * build, norm.limb * build
        )
        self.face = cast(rng, outfit.gender)
        self.garment = self._cloth(outfit.garment)
        self.arms = [self._arm(side) for side in (-1, 1)]

    def draw(self) -> None:
        """Back to front."""
        draw_back_hair(self.canvas, self.face)
        self._legs()
        self._skin()
        self._garment()
        self._sleeves()
        self._details()
        draw_head(self.canvas, self.face)
        if self.outfit.scarf:
            self._scarf(self.outfit.scarf)

    def _cloth(self, fabric: Fabric) -> np.ndarray:
        """A fabric over the whole canvas, with soft folds; float32 (height, width, 3)."""
        canvas = self.canvas
        chest = canvas.pixels([(0, 0.315)])[0]
        unit = self.rng.uniform(0.020, 0.030) * canvas.unit
        woven = weave(fabric, canvas.size, unit, self.rng, center=(chest[0], chest[1])).astype(np.float32)
        grid = Image.fromarray(self.rng.normal(0, 1, (14, 12)).astype(np.float32))
        folds = np.asarray(grid.resize(canvas.size, Image.Resampling.BICUBIC))
        return woven * (1 + 0.055 * folds[..., None]).clip(0.8, 1.15)

    def _arm(self, side: int) -> list[Point]:
        """Shoulder, elbow and wrist."""
        kind = str(self.rng.choice(list(_ARMS), p=[0.44, 0.24, 0.12, 0.13, 0.07]))
        upper, lower = np.array(_ARMS[kind]) + self.rng.normal(0, 0.07, 2)
        shoulder = np.array([side * (self.body.shoulder - 0.029), 0.240])
        elbow = shoulder + 0.172 * np.array([side * np.sin(upper), np.cos(upper)])
        wrist = elbow + 0.150 * np.array([side * np.sin(lower), np.cos(lower)])
        return [tuple(shoulder), tuple(elbow), tuple(wrist)]  # type: ignore[list-item]

    def _legs(self) -> None:
        canvas, kind, limb = self.canvas, self.outfit.legs, self.body.limb
        step = self.rng.uniform(-0.02, 0.035)
        cloth = tint(self.outfit.legs_color, self.rng)
        if self.outfit.category == "suit":
            cloth = self.garment
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
                canvas.paint(canvas.limb(leg, [0.052 * limb, 0.035 * limb, 0.021 * limb]), self.face.skin)
            if kind == "shorts":
                half = ((leg[0][0] + leg[1][0]) / 2, 0.69)
                canvas.paint(canvas.limb([leg[0], half], [0.062 * limb, 0.058 * limb]), cloth)
        hip = self.body.hip
        seat = mirrored([(hip * 0.7, 0.42), (hip * 0.88, 0.47), (hip * 1.0, 0.54), (0.03, 0.575)])
        if kind in ("trousers", "shorts"):
            canvas.paint(canvas.shape(seat), cloth, depth=0.3)
        if kind == "skirt":
            skirt = mirrored([(hip * 0.8, 0.40), (hip * 1.05, 0.50), (hip * 1.25, 0.66), (hip * 1.2, 0.70)])
            canvas.paint(canvas.shape(skirt), cloth)

    def _skin(self) -> None:
        canvas, body = self.canvas, self.body
        torso = mirrored(
            [
                (body.neck, 0.14),
                (body.neck * 1.1, 0.185),
                (body.shoulder * 0.86, 0.214),
                (body.shoulder * 0.84, 0.29),
                (body.waist, 0.40),
            ]
        )
        canvas.paint(canvas.shape(torso), self.face.skin, depth=0.35)
        throat = canvas.shape(mirrored([(body.neck * 1.1, 0.14), (body.neck * 1.15, 0.178)]))
        canvas.paint(throat, tuple(int(c * 0.8) for c in self.face.skin), depth=0.2, opacity=0.7)  # type: ignore[arg-type]
        for arm in self.arms:
            widths = [w * body.limb for w in (0.036, 0.028, 0.020)]
            canvas.paint(canvas.limb(arm, widths), self.face.skin)
            canvas.paint(canvas.ellipse(_beyond(arm, 0.028), 0.019, 0.024), self.face.skin, depth=0.4)

    def _garment(self) -> None:
        outfit, canvas = self.outfit, self.canvas
        torso, hole = self._torso(), self._hole(1.0)
        opened = outfit.category == "outerwear" and outfit.neckline != "other"
        if outfit.inner and (opened or outfit.category == "suit"):
            inner = self._cloth(outfit.inner)
            collar_hole = self._hole(0.55) if outfit.category == "suit" else hole
            canvas.paint(without(torso, collar_hole), inner, depth=0.3)
            if outfit.category == "suit":
                self._collar(inner)
                self._tie()
            hole = self._front(0.40 if outfit.category == "suit" else _HEMS["outerwear"] + 0.03)
        cover = without(torso, hole)
        canvas.paint(cover, self.garment, depth=0.6)
        if outfit.category == "dress":
            self._skirt_of_dress()
        if not opened and outfit.category != "suit":
            trim = within(without(self._hole(1.22), hole), cover)
            canvas.paint(trim, self.garment * 0.78, depth=0)
        if outfit.category == "sweater":
            self._knit(cover)
        canvas.shadow(hole, cover, 0.25, (0.0, 0.010))

    def _torso(self) -> Image.Image:
        body, kind = self.body, self.outfit.category
        loose = {"outerwear": 1.17, "sweater": 1.10, "suit": 1.08, "t_shirt": 1.04}.get(kind, 1.0)
        hem, s = _HEMS[kind], body.shoulder * (1 + 0.4 * (loose - 1))
        if self.outfit.sleeves == "none":
            strapless = kind == "dress" and self.outfit.neckline == "other"
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
        return self.canvas.shape(mirrored([*top, (body.shoulder * 0.86 * loose, 0.31), *low]))

    def _hole(self, grow: float) -> Image.Image:
        """What the neckline leaves open."""
        canvas, neck, kind = self.canvas, self.body.neck, self.outfit.neckline
        if self.outfit.category == "suit":
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
        if self.outfit.sleeves == "none":
            return canvas.shape(
                mirrored(
                    [
                        (self.body.shoulder * 0.52 * grow, 0.15),
                        (self.body.shoulder * 0.50 * grow, 0.225 + 0.012 * (grow - 1)),
                    ]
                ),
                smooth=False,
            )
        if self.outfit.category == "dress":
            return canvas.ellipse((0, 0.186), self.body.shoulder * 0.68 * grow, 0.022 * grow)
        return canvas.ellipse((0, 0.170), neck * 1.25 * grow, 0.018 * grow)

    def _front(self, end: float) -> Image.Image:
        """What an open jacket shows."""
        wide = self.rng.uniform(0.022, 0.036)
        if self.outfit.category == "suit":
            return self.canvas.shape(
                [(-0.040, 0.15), (0.040, 0.15), (0.048, 0.21), (0, end), (-0.048, 0.21)], smooth=False
            )
        return self.canvas.shape(
            [(-0.044, 0.15), (0.044, 0.15), (wide, 0.30), (wide + 0.018, end), (-wide - 0.018, end), (-wide, 0.30)],
            smooth=False,
        )

    def _skirt_of_dress(self) -> None:
        body, hem = self.body, self.rng.uniform(0.66, 0.76)
        flare = self.rng.uniform(1.15, 1.75)
        skirt = mirrored(
            [
                (body.waist * 1.0, 0.395),
                (body.hip * 1.06, 0.49),
                (body.hip * flare, hem - 0.01),
                (body.hip * flare * 0.9, hem),
            ]
        )
        self.canvas.paint(self.canvas.shape(skirt), self.garment, depth=0.6)
        waist = self.canvas.line([(-body.waist, 0.405), (0, 0.411), (body.waist, 0.405)], 0.012)
        self.canvas.paint(waist, self.garment * 0.7, depth=0.2)

    def _knit(self, cover: Image.Image) -> None:
        canvas, body = self.canvas, self.body
        x = np.arange(canvas.size[0], dtype=np.float32) / canvas.unit
        ribs = self.garment * (0.90 + 0.13 * np.sin(2 * np.pi * x / 0.013))[None, :, None]
        canvas.paint(cover, ribs, depth=0.6, opacity=0.75)
        hem = canvas.shape(mirrored([(body.hip * 1.14, 0.498), (body.hip * 1.16, 0.54)]), smooth=False)
        canvas.paint(within(hem, cover), ribs * 0.82, depth=0.2)

    def _sleeves(self) -> None:
        outfit, canvas, limb = self.outfit, self.canvas, self.body.limb
        if outfit.sleeves == "none":
            return
        loose = {"outerwear": 0.012, "sweater": 0.009, "suit": 0.006}.get(outfit.category, 0.005)
        for arm in self.arms:
            widths = [w * limb + loose for w in (0.034, 0.029, 0.021)]
            if outfit.sleeves == "long":
                sleeve = canvas.limb(arm, widths)
                cuff = canvas.limb([_beyond(arm, -0.012), _beyond(arm, 0.004)], [widths[2] * 1.06] * 2)
            else:
                end = tuple(np.array(arm[0]) * 0.42 + np.array(arm[1]) * 0.58)
                sleeve = canvas.limb([arm[0], end], [widths[0], widths[0] * 1.02])
                cuff = canvas.limb([end, end], [widths[0] * 1.02] * 2) if outfit.category == "sweater" else None
            canvas.paint(sleeve, self.garment, depth=0.42)
            if cuff and outfit.category in ("sweater", "shirt", "outerwear"):
                canvas.paint(cuff, self.garment * 0.8, depth=0.5)

    def _details(self) -> None:
        outfit = self.outfit
        if outfit.category == "suit":
            self._lapels()
            self._buttons([0.405, 0.45], x=0.0)
            return
        if outfit.placket:
            self._placket()
        if outfit.collar:
            self._collar(self.garment * 1.06, wide=1.25 if outfit.category == "outerwear" else 1.0)
        self._tie()
        if outfit.neckline == "other" and outfit.category in ("sweater", "outerwear") and not outfit.collar:
            neck = self.body.neck
            roll = mirrored([(neck * 1.3, 0.158), (neck * 1.6, 0.175), (neck * 1.5, 0.200), (0.01, 0.206)])
            self.canvas.paint(self.canvas.shape(roll), self.garment * 0.9, depth=0.7)

    def _placket(self) -> None:
        outfit, canvas = self.outfit, self.canvas
        start = 0.275 if outfit.neckline == "v_shape" else 0.205
        end = {"t_shirt": 0.29, "dress": 0.66}.get(outfit.category, _HEMS[outfit.category] - 0.006)
        end = max(end, start + 0.06)
        at = 0.0
        if outfit.category == "outerwear" and outfit.neckline != "other":
            at, start = 0.062, 0.30
        strip = canvas.shape(
            [(at - 0.012, start), (at + 0.012, start), (at + 0.012, end), (at - 0.012, end)], smooth=False
        )
        canvas.paint(strip, self.garment * 1.05, depth=0.25)
        for side in (-0.012, 0.012):
            canvas.paint(canvas.line([(at + side, start), (at + side, end)], 0.003), (0, 0, 0), depth=0, opacity=0.4)
        self._buttons(np.arange(start + 0.015, end - 0.01, 0.042).tolist(), at)

    def _buttons(self, heights: list[float], x: float) -> None:
        light = sum(COLORS[self.outfit.garment.color]) < 330
        for y in heights:
            button = self.canvas.ellipse((x, y), 0.0062, 0.0062)
            self.canvas.paint(button, (232, 228, 216) if light else (48, 40, 40), depth=0.3)

    def _collar(self, cloth: np.ndarray, wide: float = 1.0) -> None:
        n = self.body.neck
        spread = 0.030 if self.outfit.neckline == "v_shape" and self.outfit.category != "suit" else 0.018
        for side in (-1, 1):
            flap = [
                (side * 0.002, 0.206),
                (side * n * 1.2, 0.172),
                (side * n * 1.75 * wide, 0.197),
                (side * (spread + 0.014) * wide, 0.247),
            ]
            mask = self.canvas.shape(flap, smooth=False)
            self.canvas.paint(mask, cloth, depth=0.3)
            edge = self.canvas.line([flap[0], flap[3], flap[2]], 0.0035)
            self.canvas.paint(edge, (0, 0, 0), depth=0, opacity=0.38)

    def _lapels(self) -> None:
        for side in (-1, 1):
            lapel = [
                (side * 0.040, 0.176),
                (side * 0.088, 0.236),
                (side * 0.064, 0.250),
                (side * 0.076, 0.268),
                (side * 0.002, 0.402),
                (side * 0.046, 0.215),
            ]
            self.canvas.paint(self.canvas.shape(lapel, smooth=False), self.garment * 0.86, depth=0.35)
            self.canvas.paint(self.canvas.line([*lapel[:5]], 0.003), (0, 0, 0), depth=0, opacity=0.4)
        self.canvas.paint(self.canvas.line([(0, 0.40), (0.006, 0.555)], 0.004), (0, 0, 0), depth=0, opacity=0.5)

    def _tie(self) -> None:
        if not self.outfit.tie:
            return
        cloth = tint(self.outfit.tie.color, self.rng)
        end = 0.40 if self.outfit.category == "suit" else 0.47
        blade = [(-0.009, 0.222), (0.009, 0.222), (0.022, end - 0.03), (0.0, end), (-0.022, end - 0.03)]
        self.canvas.paint(self.canvas.shape(blade, smooth=False), cloth, depth=0.7)
        knot = [(-0.016, 0.200), (0.016, 0.200), (0.009, 0.226), (-0.009, 0.226)]
        self.canvas.paint(self.canvas.shape(knot, smooth=False), cloth, depth=0.5)

    def _scarf(self, fabric: Fabric) -> None:
        canvas, cloth = self.canvas, self._cloth(fabric)
        side = 1 if self.rng.random() < 0.5 else -1
        end = self.rng.uniform(0.34, 0.44)
        tail = canvas.shape(
            [(side * 0.012, 0.22), (side * 0.052, 0.21), (side * 0.064, end), (side * 0.018, end + 0.008)]
        )
        wrap = mirrored([(0.03, 0.150), (0.062, 0.172), (0.070, 0.205), (0.045, 0.238), (0.012, 0.246)])
        band = canvas.shape(wrap)
        canvas.shadow(union(tail, band), self._torso(), 0.45, (0.006, 0.014))
        canvas.paint(tail, cloth, depth=0.8)
        canvas.paint(band, cloth, depth=0.9)
        for low, high in ((0.19, 0.203), (0.212, 0.228)):
            fold = canvas.line([(-0.058, low), (0, high + 0.01), (0.058, low)], 0.004)
            canvas.paint(within(fold, band), (0, 0, 0), depth=0, opacity=0.3)


def _beyond(arm: list[Point], by: float) -> Point:
    """A point on the line of the forearm, `by` behind the wrist."""
    elbow, wrist = np.array(arm[1]), np.array(arm[2])
    x, y = wrist + by * (wrist - elbow) / np.hypot(*(wrist - elbow))
    return float(x), float(y)
