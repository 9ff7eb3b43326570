"""YAML of users: nothing that blows up, no text that silently becomes a number, and what is written is what is read."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from keras_sister.config import load_experiment, load_settings
from keras_sister.errors import InputError
from keras_sister.storage.json_files import read_json
from keras_sister.storage.yaml_files import parse_yaml, read_yaml, read_yaml_texts, to_yaml, yaml_scalar

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)
"""383 bytes that would unfold to 9⁹ texts."""


def test_a_few_aliases_do_not_become_gigabytes(tmp_path):
    (tmp_path / "bomb.yaml").write_text(BOMB)
    for read in (read_yaml, load_settings, lambda file: read_yaml_texts(file, max_bytes=1_000)):
        with pytest.raises(InputError, match=r"bomb\.yaml: not a readable YAML file: line 1: aliases"):
            read(tmp_path / "bomb.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "0100",
        "0o17",
        "0x1F",
        "0b11",
        "1_000",
        "1:30",
        "190:20:30",
        "2024-01-01",
        "2001-12-14t21:59:43.10-05:00",
        "no",
        "off",
        "y",
        "=",
        "<<",
        ".inf",
        "-.INF",
        ".nan",
        "1e999",
        "999999999999999999999999",
        "1e5x",
        "٣",
        "+.",
    ],
)
def test_what_yaml_1_1_takes_for_another_value_stays_text(text):
    assert parse_yaml(f"epochs: '{text}'", "f") == {"epochs": text}
    assert parse_yaml(f"epochs: {text}", "f") == {"epochs": text}


@pytest.mark.parametrize("value", ["0100", "2024-01-01", "1:30", "1_000"])
def test_a_setting_in_octal_or_as_a_date_is_refused(tmp_path, value):
    (tmp_path / "mine.yaml").write_text(f"epochs: {value}")
    with pytest.raises(InputError, match=rf"epochs must be a whole number.*Received: '{value}'"):
        load_experiment(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("text", "value"), [("7", 7), ("-0", 0), ("1e-5", 1e-5), (".5", 0.5), ("true", True), ("~", None)]
)
def test_numbers_and_truths(text, value):
    found = parse_yaml(f"a: {text}", "f")["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "line 2: 'a' is there twice"),
        ("a: !!python/object/apply:os.system [ls]", r"line 1: tags \(!\) are not allowed"),
        ("a: !x 1", "tags"),
        ("--- a\n--- b", "more than one document"),
        ("[" * 50_000, "nested more than 20 deep"),
        ("{a: " * 30, "nested more than 20 deep"),
        ("? [a]\n: b", "a key must be text"),
        ("a: \x07", "not a readable YAML file"),
        ("a: " + "x" * 300_000, r"300,003 bytes; a file of this kind has at most 200,000"),
        ("x" * 1000 + ": [", "not a readable YAML file"),
    ],
)
def test_what_is_refused_is_one_short_line(tmp_path, text, message):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as refused:
        read_yaml(file)
    assert str(refused.value).startswith(f"{file}: ")
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < len(str(file)) + 150


SCALARS = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text(max_size=8)
CONTENT = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@given(CONTENT)
@example({"\x85": "\u2028 \ufeff"})  # line breaks of YAML, which PyYAML folds if they are not escaped
@example([["x"] * 2, {"a b": "- 1"}, "0100", "\x1b[31m"])
def test_what_is_written_is_what_is_read_by_either_version(content):
    try:
        text = to_yaml(content)
        expected = yaml.safe_load(text)
    except yaml.YAMLError:  # text that YAML cannot hold, such as a lone surrogate
        return
    assert parse_yaml(text, "f") == content == expected


@given(st.text(max_size=20))
@example("no\x85")
def test_one_text_is_one_line_in_any_place(text):
    try:
        line = f"{{{yaml_scalar(text)}: [{yaml_scalar(text)}]}}"
        expected = {text: [text]} if yaml.safe_load(line) else None
    except yaml.YAMLError:
        return
    assert "\n" not in line
    assert yaml.safe_load(line) == parse_yaml(line, "f") == expected


def test_json_that_is_deep_or_no_json_is_one_line(tmp_path: Path):
    file = tmp_path / "a.json"
    for text in ("[" * 200_000, '{"a":' * 200_000, "NaN", "[Infinity]", "{", "[1] x", "9" * 5_000):
        file.write_text(text)
        with pytest.raises(InputError, match=r"a\.json: not a readable JSON file: ") as refused:
            read_json(file)
        assert "\n" not in str(refused.value)
    file.write_text(json.dumps({"a": [1.5, None]}))
    assert read_json(file) == {"a": [1.5, None]}
