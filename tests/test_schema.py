import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, softmax

from keras_sister.data.dataset import Dataset
from keras_sister.errors import InputError
from keras_sister.schema import DCSA, Attribute, Schema

SMALL = Schema((Attribute("scarf"), Attribute("sleeves", ("none", "short", "long")), Attribute("collar")))


def test_it_shows_itself_in_one_line():
    assert repr(Schema((Attribute("scarf"),))) == "Schema(1 attribute, 1 logit: scarf)"
    two = Schema((Attribute("scarf"), Attribute("sleeves", ("none", "short", "long"))))
    assert repr(two) == "Schema(2 attributes, 4 logits: scarf, sleeves[none|short|long])"


def test_dcsa_is_the_papers_dataset():
    binary = [attribute for attribute in DCSA if attribute.is_binary]
    classes = {a.name: len(a.classes) for a in DCSA if not a.is_binary}
    assert len(DCSA) == 26
    assert len(binary) == 23
    assert classes == {"category": 7, "neckline": 3, "sleevelength": 3}
    assert DCSA.n_logits == 23 + 7 + 3 + 3


def test_logit_slices_cover_every_logit_once_in_order():
    for schema in (SMALL, DCSA):
        columns = np.concatenate([np.arange(schema.n_logits)[s] for s in schema.logit_slices.values()])
        assert columns.tolist() == list(range(schema.n_logits))


def test_probabilities_are_those_of_scipy():
    logits = np.random.default_rng(0).normal(0, 30, (50, SMALL.n_logits))
    probabilities = SMALL.probabilities(logits)
    np.testing.assert_allclose(probabilities["scarf"], expit(logits[:, 0]), rtol=1e-12)
    np.testing.assert_allclose(probabilities["sleeves"], softmax(logits[:, 1:4], axis=1), rtol=1e-12)
    np.testing.assert_allclose(probabilities["collar"], expit(logits[:, 4]), rtol=1e-12)


def test_predictions_are_the_most_probable_classes():
    logits = np.random.default_rng(1).normal(0, 3, (50, SMALL.n_logits))
    probabilities = SMALL.probabilities(logits)
    predicted = SMALL.predict(logits)
    assert predicted.dtype == np.int32
    np.testing.assert_array_equal(predicted[:, 0], probabilities["scarf"] >= 0.5)
    np.testing.assert_array_equal(predicted[:, 1], probabilities["sleeves"].argmax(axis=1))


def test_extreme_logits_stay_finite():
    logits = np.array([[1e4, 1e4, -1e4, 0.0, -1e4]])
    for values in SMALL.probabilities(logits).values():
        assert np.isfinite(values).all()


def test_wrong_number_of_logits_is_refused():
    with pytest.raises(ValueError, match=r"\(batch, 5\).*\(2, 4\)"):
        SMALL.predict(np.zeros((2, 4)))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[0, 1], [1, 0.95]], r"b\.jpg.*sleeves.*0\.95"),
        ([[0, 1], [1, 3]], r"b\.jpg.*sleeves.*3"),
        ([[2, 1], [1, 0]], r"a\.jpg.*scarf.*2"),
        ([[0, 1], [1, np.inf]], r"b\.jpg.*sleeves.*inf"),
        ([[0, 1, 0], [1, 0, 0]], r"shape \(.*2\)"),
        ([0, 1], r"shape \(.*2\)"),
        ([[0, 1]], r"shape \(2, 2\)"),
        ([["no", "short"], ["yes", "long"]], "class indices"),
    ],
    ids=["smoothed", "past the last", "1-based", "infinite", "too wide", "flat", "too few", "names"],
)
def test_a_dataset_takes_class_indices_and_nothing_else(labels, message):
    schema = Schema((Attribute("scarf"), Attribute("sleeves", ("none", "short", "long"))))
    photos = (Path("a.jpg"), Path("b.jpg"))
    with pytest.raises(InputError, match=message):
        Dataset(schema, photos, np.array(labels))
    known = Dataset(schema, photos, np.array([[0, np.nan], [-7, 2]]))
    np.testing.assert_array_equal(known.labels, [[0, -1], [-1, 2]])


def test_file_round_trip(tmp_path):
    (tmp_path / "schema.json").write_text(DCSA.to_json(), encoding="utf-8")
    assert Schema.load(tmp_path / "schema.json") == DCSA


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"attributes": 3}', '{"attributes": [{"name": "a"}]}', '{"attributes": []}'],
)
def test_broken_file_is_named(tmp_path, content):
    path = tmp_path / "schema.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"schema\.json"):
        Schema.load(path)


@pytest.mark.parametrize("name", ["", "1st", "a-b", "a b", None])
def test_names_that_cannot_name_an_output_are_refused(name):
    with pytest.raises(InputError, match="name"):
        Attribute(name)


def test_attributes_must_differ_and_have_classes():
    with pytest.raises(InputError, match="scarf"):
        Schema((Attribute("scarf"), Attribute("scarf")))
    with pytest.raises(InputError, match="at least two"):
        Attribute("scarf", ("yes",))
    with pytest.raises(InputError, match="different"):
        Attribute("scarf", ("yes", "yes"))


def test_classes_are_a_list_and_not_the_letters_of_a_text():
    for of_text in (
        lambda: Attribute("scarf", "yes"),
        lambda: Schema.from_dict({"attributes": [{"name": "scarf", "classes": "yes"}]}),
    ):
        with pytest.raises(InputError, match=r"classes of 'scarf' must be a list, such as .* Received: 'yes'"):
            of_text()


def test_the_file_has_the_documented_form():
    assert json.loads(SMALL.to_json())["attributes"][1] == {"name": "sleeves", "classes": ["none", "short", "long"]}


@pytest.mark.parametrize("name", ["photo", "Mask", "ERROR", "tags", "decisions", "schema_hash", "fingerprint"])
def test_names_of_our_own_outputs_and_columns_are_refused_with_a_proposal(name):
    with pytest.raises(InputError, match=f"rename the attribute, for example '{name}_label'"):
        Attribute(name)
    Attribute(f"{name}_label")


def test_names_that_differ_only_in_case_are_refused_however_the_schema_comes_in(tmp_path):
    two = {"attributes": [{"name": name, "classes": ["no", "yes"]} for name in ("Scarf", "scarf")]}
    with pytest.raises(InputError, match=r"(?i)scarf"):
        Schema.from_dict(two)
    (tmp_path / "schema.json").write_text(json.dumps(two))
    with pytest.raises(InputError, match=r"schema\.json.*(?i:scarf)"):
        Schema.load(tmp_path / "schema.json")
