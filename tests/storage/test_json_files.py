import json
import math

from hypothesis import given
from hypothesis import strategies as st

from keras_sister.storage.json_files import read_json, to_json, write_json

NUMBERS = st.integers(-(2**70), 2**70) | st.floats()
CONTENT = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is in the text")


@given(CONTENT)
def test_what_is_written_is_what_python_writes_with_nulls_for_what_is_no_number(content):
    assert json.loads(to_json(content), parse_constant=refuse) == json.loads(
        json.dumps(content), parse_constant=lambda constant: None
    )


def test_a_file_has_the_same_text_with_a_line_for_each_photo(tmp_path):
    content = {
        "photos": [{"path": "ä.jpg", "labels": [0, -1]}, {"path": "b.jpg", "labels": [1, 1]}],
        "groups": [],
        "scores": {"std": math.inf, "folds": [0.5, 1.0]},
        "runs": [{"name": "a", "macc": {"mean": 0.5}}],
    }
    write_json(tmp_path / "a.json", content)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert text == to_json(content) + "\n"
    assert text.splitlines() == [
        "{",
        ' "photos": [',
        r'  {"path": "\u00e4.jpg", "labels": [0, -1]},',
        '  {"path": "b.jpg", "labels": [1, 1]}',
        " ],",
        ' "groups": [],',
        ' "scores": {',
        '  "std": null,',
        '  "folds": [',
        "   0.5,",
        "   1.0",
        "  ]",
        " },",
        ' "runs": [',
        "  {",
        '   "name": "a",',
        '   "macc": {',
        '    "mean": 0.5',
        "   }",
        "  }",
        " ]",
        "}",
    ]
    assert read_json(tmp_path / "a.json") == content | {"scores": {"std": None, "folds": [0.5, 1.0]}}
