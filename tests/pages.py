"""The examples of README and docs: code blocks, and the comment above each that says why it is not run here."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "saved_models/README.md",
    "benchmarks/README.md",
    *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md")),
]
_BLOCK = re.compile(r"(?:<!-- (?P<mark>[^\n]*) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```", flags=re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A code block.

    Attributes:
        page: path of the page in the repository.
        language: ``bash`` or ``python``.
        text: contents of the block.
        mark: the comment above it: ``not run: REASON``, ``run by TEST`` or empty.
    """

    page: str
    language: str
    text: str
    mark: str

    @property
    def lines(self) -> list[str]:
        """Commands, one per line: continued lines joined, comments left out."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if line and not line.startswith("#")]


def examples(page: str, language: str) -> list[Example]:
    """The code blocks of a page in a language."""
    found = _BLOCK.finditer((ROOT / page).read_text(encoding="utf-8"))
    return [Example(page, language, m["text"], m["mark"] or "") for m in found if m["language"] == language]
