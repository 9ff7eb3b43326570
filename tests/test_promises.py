"""The page of promises names tests that exist."""

import ast
import re

from .pages import ROOT

PAGE = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


def names_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_test_that_the_page_names_exists():
    missing = [f"{file}::{name}" for file, name in NAMED if not (ROOT / file).is_file() or name not in names_in(file)]
    assert missing == []
    assert PAGE.count("::") == len(NAMED)
    assert "promises.md" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def test_every_promise_names_a_test():
    promises = re.split(r"^- ", PAGE, flags=re.MULTILINE)[1:]
    assert len(promises) > 30
    assert [promise for promise in promises if "\n    - `tests/" not in promise] == []
