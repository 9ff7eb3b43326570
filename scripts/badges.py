"""Write the badges of the README as SVG files, from pyproject.toml; no service is involved.

python scripts/badges.py docs/badges
"""

import sys
import tomllib
from pathlib import Path

HEIGHT, PADDING, CHARACTER = 20, 8, 6.6  # pixels; the width of a character at 11 pixels is an average
COLORS = {"label": "#444c56", "value": "#3367d6"}


def badges() -> dict[str, str]:
    """The contents of each SVG file, by its name."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    packages = {name: spec for name in ("keras", "tensorflow") for spec in project["dependencies"] if name in spec}
    facts = {
        "python": ("Python", project["requires-python"]),
        "keras": ("Keras", packages["keras"].removeprefix("keras")),
        "tensorflow": ("TensorFlow", packages["tensorflow"].removeprefix("tensorflow")),
        "licence": ("licence", project["license"]),
    }
    return {f"{name}.svg": _badge(label, value.replace(",", ", ")) for name, (label, value) in facts.items()}


def _badge(label: str, value: str) -> str:
    left, right = (round(len(text) * CHARACTER + 2 * PADDING) for text in (label, value))
    value = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{HEIGHT}" role="img"'
        f' aria-label="{label}: {value}">'
        f'<rect width="{left}" height="{HEIGHT}" fill="{COLORS["label"]}"/>'
        f'<rect x="{left}" width="{right}" height="{HEIGHT}" fill="{COLORS["value"]}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2}" y="14">{label}</text><text x="{left + right / 2}" y="14">{value}</text></g></svg>\n'
    )


if __name__ == "__main__":
    for name, contents in badges().items():
        (Path(sys.argv[1]) / name).write_text(contents, encoding="utf-8")
