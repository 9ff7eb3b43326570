"""Random outfits whose parts are plausible together, and the labels that follow from them."""

from dataclasses import dataclass

import numpy as np

from keras_sister.schema import DCSA, UNKNOWN
from keras_sister.street.fabrics import COLORS, Fabric, random_color, random_fabric

UNKNOWN_RATES = {"category": 0.405, "neckline": 0.292, "pattern_solid": 0.196}
"""Shares of unknown labels in DCSA; those of its other attributes are between 3 and 20 %."""

_OTHERS = (0.03, 0.20)

_CATEGORIES = {
    "female": {
        "shirt": 0.14,
        "sweater": 0.14,
        "t_shirt": 0.13,
        "outerwear": 0.16,
        "suit": 0.05,
        "tank_top": 0.16,
        "dress": 0.22,
    },
    "male": {"shirt": 0.25, "sweater": 0.15, "t_shirt": 0.18, "outerwear": 0.18, "suit": 0.17, "tank_top": 0.07},
}
_SLEEVES = {
    "shirt": {"long": 0.72, "short": 0.28},
    "sweater": {"long": 0.93, "short": 0.07},
    "t_shirt": {"short": 0.85, "long": 0.15},
    "outerwear": {"long": 1.0},
    "suit": {"long": 1.0},
    "tank_top": {"none": 1.0},
    "dress": {"none": 0.5, "short": 0.3, "long": 0.2},
}
_NECKLINES = {
    "shirt": {"other": 0.55, "v_shape": 0.45},
    "sweater": {"round": 0.5, "v_shape": 0.25, "other": 0.25},
    "t_shirt": {"round": 0.62, "v_shape": 0.25, "other": 0.13},
    "outerwear": {"round": 0.4, "v_shape": 0.3, "other": 0.3},
    "suit": {"v_shape": 1.0},
    "tank_top": {"round": 0.55, "v_shape": 0.25, "other": 0.2},
    "dress": {"v_shape": 0.35, "round": 0.35, "other": 0.3},
}
_COLLAR = {"shirt": 1.0, "suit": 1.0, "outerwear": 0.75, "sweater": 0.2, "dress": 0.15}
_PLACKET = {"shirt": 1.0, "suit": 1.0, "outerwear": 0.85, "sweater": 0.25, "dress": 0.2}
_SCARF = {"outerwear": 0.25, "sweater": 0.18, "suit": 0.05, "dress": 0.05, "shirt": 0.08, "t_shirt": 0.06}
_TIE = {"suit": 0.7, "shirt": 0.16}


@dataclass(frozen=True)
class Outfit:
    """A person's clothes.

    Attributes:
        gender: a class of the attribute ``gender``.
        category: a class of the attribute ``category``.
        sleeves: a class of the attribute ``sleevelength``.
        neckline: a class of the attribute ``neckline``.
        collar: whether there is a collar.
        placket: whether there is a placket.
        garment: fabric of the upper garment or dress.
        inner: fabric of the garment under an open jacket; None if none is visible.
        scarf: fabric of the scarf; None without one.
        tie: fabric of the necktie; None without one.
        legs: ``trousers``, ``shorts``, ``skirt``, or ``dress`` if the garment covers the legs.
        legs_color: colour of the trousers, shorts or skirt, a key of `COLORS`.
    """

    gender: str
    category: str
    sleeves: str
    neckline: str
    collar: bool
    placket: bool
    garment: Fabric
    inner: Fabric | None
    scarf: Fabric | None
    tie: Fabric | None
    legs: str
    legs_color: str

    @property
    def fabrics(self) -> list[Fabric]:
        """All visible fabrics but that of the legs, which has no label."""
        return [fabric for fabric in (self.garment, self.inner, self.scarf, self.tie) if fabric]

    @property
    def bare(self) -> bool:
        """Whether much skin is visible: bare arms, or short sleeves and bare legs."""
        arms = {"none": 2, "short": 1, "long": 0}[self.sleeves]
        legs = self.legs in ("shorts", "skirt", "dress")
        return arms + legs >= 2

    @property
    def labels(self) -> np.ndarray:
        """Class indices: int8 array, shape (26,), in the order of `DCSA`; all known."""
        colors = set().union(*(fabric.colors for fabric in self.fabrics))
        patterns = {fabric.pattern for fabric in self.fabrics}
        values = {
            "necktie": self.tie is not None,
            "collar": self.collar,
            "gender": self.gender == "female",
            "placket": self.placket,
            "skin_exposure": self.bare,
            "scarf": self.scarf is not None,
            "many_colors": len(colors) > 2,
        }
        values |= {a.name: a.name.removeprefix("pattern_") in patterns for a in DCSA if a.name.startswith("pattern_")}
        values |= {color: color in colors for color in COLORS}
        classes = {"sleevelength": self.sleeves, "neckline": self.neckline, "category": self.category}
        row = [
            attribute.classes.index(classes[attribute.name]) if attribute.name in classes else values[attribute.name]
            for attribute in DCSA
        ]
        return np.array(row, np.int8)


def random_outfit(rng: np.random.Generator) -> Outfit:
    """A random outfit, with every class of every attribute in at least 4 % of many outfits."""
    gender = "female" if rng.random() < 0.54 else "male"
    category = _choose(rng, _CATEGORIES[gender])
    sleeves, neckline = _choose(rng, _SLEEVES[category]), _choose(rng, _NECKLINES[category])
    polo = category == "t_shirt" and neckline == "other"
    collar = polo or (neckline != "round" and rng.random() < _COLLAR.get(category, 0))
    placket = polo or rng.random() < _PLACKET.get(category, 0)
    tie = category in _TIE and gender == "male" and rng.random() < _TIE[category]
    suit_pattern = _choose(rng, {"solid": 0.85, "plaid": 0.08, "stripe": 0.07}) if category == "suit" else None
    garment = random_fabric(rng, suit_pattern)
    return Outfit(
        gender=gender,
        category=category,
        sleeves=sleeves,
        neckline="other" if tie and category == "shirt" else neckline,
        collar=collar,
        placket=placket,
        garment=garment,
        inner=_inner(rng, category, neckline, garment),
        scarf=random_fabric(rng) if rng.random() < _SCARF.get(category, 0) and not tie else None,
        tie=_tie(rng, garment) if tie else None,
        legs=_legs(rng, gender, category),
        legs_color=garment.color
        if category == "suit"
        else _choose(rng, dict.fromkeys(("blue", "black", "brown", "gray"), 0.25)),
    )


def hide_labels(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make random labels unknown, at the rates of DCSA.

    Args:
        labels: class indices: int8 array, shape (photos, 26).
        rng: random generator.

    Returns:
        A copy with −1 for each label that became unknown.
    """
    low, high = _OTHERS
    names = enumerate(DCSA.names)
    rates = [UNKNOWN_RATES.get(name, low + (high - low) * (i * 7 % len(DCSA)) / (len(DCSA) - 1)) for i, name in names]
    return np.where(rng.random(labels.shape) < rates, UNKNOWN, labels).astype(np.int8)


def _inner(rng: np.random.Generator, category: str, neckline: str, garment: Fabric) -> Fabric | None:
    if category == "suit":
        color = "white" if garment.color != "white" and rng.random() < 0.8 else "blue"
        return Fabric("solid", color, color)
    if category == "outerwear" and neckline != "other":  # under a closed jacket nothing is visible
        color = random_color(rng)
        return random_fabric(rng, "stripe") if rng.random() < 0.2 else Fabric("solid", color, color)
    return None


def _tie(rng: np.random.Generator, garment: Fabric) -> Fabric:
    color = garment.color if rng.random() < 0.4 and garment.color not in ("white", "yellow") else random_color(rng)
    color = "red" if color == "white" else color
    return Fabric("solid", color, color)


def _legs(rng: np.random.Generator, gender: str, category: str) -> str:
    if category == "dress":
        return "dress"
    warm = category in ("t_shirt", "tank_top")
    rates = {"trousers": 0.5 if warm else 0.85, "shorts": 0.35 if warm else 0.03}
    if gender == "female":
        rates["skirt"] = 0.25
    return "trousers" if category == "suit" and gender == "male" else _choose(rng, rates)


def _choose(rng: np.random.Generator, rates: dict[str, float]) -> str:
    weights = np.array(list(rates.values()))
    return str(rng.choice(list(rates), p=weights / weights.sum()))
