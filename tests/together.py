"""Which test files run first, and which share a process, when tests run in several."""

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

_TAKES_AN_EXPORT = re.compile(r"\b(sister|baseline|decided|bfloat16)_export\b")


class ExportsTogether(LoadFileScheduling):
    """A process for each file, but one for all files that take an export of `tests.exports`, which makes each once."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "exports" if _takes_an_export(self.config.rootpath / file) else file


@cache
def _takes_an_export(file: Path) -> bool:
    return bool(_TAKES_AN_EXPORT.search(file.read_text(encoding="utf-8")))


@pytest.hookimpl(optionalhook=True)  # pytest does not know it where xdist is switched off
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ExportsTogether | None:
    """With ``--dist loadfile``."""
    return ExportsTogether(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first, so that no process works alone at the end (``--no-loadscope-reorder``).

    Exports, slow tests, large files.
    """
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (not _takes_an_export(item.path), -slow[item.path], -item.path.stat().st_size))
