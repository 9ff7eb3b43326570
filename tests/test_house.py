"""The shape of the code: rooms are checked by import-linter, functions here."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAX_LINES = 50


def test_no_function_is_long():
    """Lines of a function, its docstring not counted."""
    lengths = {}
    for file in [*(ROOT / "keras_sister").rglob("*.py"), *(ROOT / "cli").glob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                start = node.body[0].end_lineno if ast.get_docstring(node) else node.lineno
                lengths[f"{file.relative_to(ROOT)}:{node.name}"] = node.end_lineno - start
    assert len(lengths) > 500
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}
