"""The dataset file: all its scalars are text, and every mistake in it is one line."""

import pytest

from keras_sister.data.dataset_file import read_dataset_file
from keras_sister.errors import InputError

HEAD = "table: t.csv\nphoto: image\nattributes:\n"


def read(tmp_path, text: str):
    (tmp_path / "d.yaml").write_text(text, encoding="utf-8")
    return read_dataset_file(tmp_path / "d.yaml")


def test_every_form_of_the_format(tmp_path):
    file = read(
        tmp_path,
        """
table: lists/products.csv            # a comment
photo: image
group: product_id
weight: importance
split: subset
unknown: ["", "?", n/a]
on_unknown_value: unknown
attributes:
  neckline: [v_shape, round, other]
  scarf: {classes: ["no", "yes"], spellings: {"0": "no", Y: "yes"}, title: "Scarf?", blank: "no"}
  colours: {separator: ";", values: [red, dark blue], blank: none}
""",
    )
    assert (file.table, file.folder) == (tmp_path / "lists" / "products.csv", tmp_path / "lists")
    assert (file.photo, file.group, file.weight, file.split) == ("image", "product_id", "importance", "subset")
    assert (file.unknown, file.on_unknown_value) == (("", "?", "n/a"), "unknown")
    assert {a.name: a.classes for a in file.schema} == {
        "neckline": ("v_shape", "round", "other"),
        "scarf": ("no", "yes"),
        "colours_red": ("no", "yes"),
        "colours_dark_blue": ("no", "yes"),
    }
    assert file.columns[1].meanings == {"no": 0, "yes": 1, "0": 0, "y": 1}


def test_what_yaml_takes_for_truths_dates_and_numbers_stays_text(tmp_path):
    file = read(
        tmp_path, HEAD + "  scarf: [no, yes]\n  made: [2024-01-01, 0100, 1:30, 1.0, ~, null, on]\n  y: [off, Y]\n"
    )
    assert [c.classes for c in file.columns] == [
        ("no", "yes"),
        ("2024-01-01", "0100", "1:30", "1.0", "~", "null", "on"),
        ("off", "Y"),
    ]
    assert (file.unknown, file.on_unknown_value, file.group) == (("",), "error", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected lines of 'key: value'"),
        ("- a\n- b", "expected lines of 'key: value'"),
        ("table: [", "not a readable YAML file: line 1"),
        ("photo: image\nattributes: {a: [x, y]}", "table: missing"),
        ("table: t.csv\nattributes: {a: [x, y]}", "photo: missing"),
        ("table: t.csv\nphoto: image", "attributes: expected lines"),
        ("table: t.csv\nphoto: image\nattributes: {}", "attributes: expected lines"),
        (HEAD + "  a: [x, y]\nphotos: p", "'photos' is not a key; did you mean 'photo'"),
        (HEAD + "  a: {class: [x, y]}", "a: 'class' is not a key; did you mean 'classes'"),
        (HEAD + "  a: x", "a: expected"),
        (HEAD + "  a: [x]", "at least two different classes"),
        (HEAD + "  a: [x, X]", "'x' occurs twice"),
        (HEAD + "  a: [x, '']", "a class is blank"),
        (HEAD + "  a: [x, [y]]", "expected a list of texts"),
        (HEAD + "  a b: [x, y]", "letters, digits and '_'"),
        (HEAD + "  a: [x, y]\n  a: [x, z]", "line 5: 'a' is there twice"),
        (HEAD + "  a: {classes: [x, y], separator: ';'}", "either classes, or separator and values"),
        (HEAD + "  a: {separator: ';'}", "either classes, or separator and values"),
        (HEAD + "  a: {separator: ';', values: [dark blue, dark-blue]}", "two values have the same name"),
        (HEAD + "  a: {separator: ';', values: [x, y], blank: x}", "blank must be one of none"),
        (HEAD + "  a: {classes: [x, y], blank: none}", "blank must be one of x, y"),
        (
            HEAD + "  a: {classes: [long, short], spellings: {l: lng}}",
            "'lng', which is not a class. Did you mean 'long'",
        ),
        (HEAD + "  a: {classes: [x, y], spellings: {X: y}}", "'X' is a class; it cannot mean 'y'"),
        (HEAD + "  a: {classes: [x, y], spellings: [x]}", "spellings: expected"),
        (HEAD + "  a_b: [x, y]\n  a: {separator: ',', values: [b]}", "a_b"),
        (HEAD + "  a: [none, y]\nunknown: [None]", "'none' is both a class and in 'unknown'"),
        (HEAD + "  a: [x, y]\non_unknown_value: skip", "on_unknown_value must be one of error, unknown"),
        (HEAD + "  a: &l [x, y]\n  b: *l", "line 4: aliases"),
        (HEAD + "  a: [!!python/name:os.system x, y]", "line 4: tags"),
        (HEAD + "  a: {" + "x" * 1000 + ": [x, y]}", "'x{70,80}… is not a key"),
        (HEAD + "  a: [" + "x, " * 1000 + "x]", "a: 'x' occurs twice"),
        (HEAD + "  a: [" + "[x], " * 1000 + "x]", r"expected a list of texts.*…$"),
        (HEAD + '  "' + "a" * 900 + '\\nb": x', "a{70}…: expected"),
        (HEAD + "  a: [x, y]\n---\nb", "more than one document"),
        (HEAD + "  a: " + "[" * 5000, "nested more than 20 deep"),
    ],
)
def test_mistakes_name_the_file_and_the_key(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "d.yaml"))
    assert str(caught.value).count("\n") == 0
    assert len(str(caught.value)) < len(str(tmp_path)) + 300


def test_a_missing_file_and_bytes_that_are_no_text(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_dataset_file(tmp_path / "none.yaml")
    (tmp_path / "d.yaml").write_bytes(b"table: \xff\xfe")
    with pytest.raises(InputError, match="not a text file in UTF-8"):
        read_dataset_file(tmp_path / "d.yaml")
