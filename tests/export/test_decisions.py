"""Decisions inside the graph, and wherever tags come from them: in tables, over the wire, in other runtimes."""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from cli.main import main
from keras_sister.app.shown_model import open_shown_model
from keras_sister.client.connect import connect, query_photos
from keras_sister.data.dataset import Dataset
from keras_sister.errors import InputError
from keras_sister.evaluation.decisions import parse_rules
from keras_sister.evaluation.thresholds import Goal, write_thresholds
from keras_sister.export.decisions import compare_decisions
from keras_sister.export.export_model import export_model
from keras_sister.export.export_run import export_run
from keras_sister.export.formats import add_format
from keras_sister.export.model_card import model_card
from keras_sister.run import Run
from keras_sister.schema import Attribute, Schema
from keras_sister.serving.choices import FORMATS
from keras_sister.serving.tagger import Tagger
from keras_sister.training.final import train_final

from ..client.server import serving
from ..exports import RULES, SCHEMA
from ..run_folder import write_run
from .test_runtimes import signature_defs


def decided(name, probabilities):
    """Class or −1, and confidence, of one photo, from the export's own probabilities: through odds, without logits."""
    rule = RULES[name]
    probabilities = np.array(
        [1 - probabilities, probabilities] if np.ndim(probabilities) == 0 else probabilities, float
    )
    powers = probabilities ** (1 / rule["temperature"])
    calibrated = powers / powers.sum()
    best = calibrated.argmax() if rule["threshold"] is None else int(calibrated[1] >= rule["threshold"])
    lowest = list(rule["minimum"].values())[best]
    return (best if lowest is not None and calibrated[best] >= lowest else -1), calibrated[best]


@pytest.fixture(scope="module", autouse=True)
def loaded_once() -> Iterator[None]:
    """Each export is loaded once, which takes two seconds with its first answers; no test here changes one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tensorflow.saved_model.load", cache(tf.saved_model.load))
        yield


@pytest.fixture(scope="module")
def contents(photos):
    return [photo.read_bytes() for photo in photos]


@pytest.fixture(scope="module")
def outputs(decided_export, contents):
    signature = tf.saved_model.load(str(decided_export.folder)).signatures["serving_default"]
    found = signature(image_bytes=tf.constant([*contents, b"no photo"]))
    return {name: values.numpy() for name, values in found.items()}


@pytest.fixture(scope="module")
def tags(decided_export, photos):
    return list(Tagger(decided_export.folder).tag(photos))


def test_decisions_follow_from_the_raw_probabilities(outputs, decided_model, photos):
    assert outputs["decisions"].dtype == np.int32
    assert outputs["confidence"].dtype == np.float32
    for row in range(len(photos)):
        for i, name in enumerate(SCHEMA.names):
            decision, confidence = decided(name, outputs[name][row])
            assert outputs["decisions"][row, i] == decision
            assert outputs["confidence"][row, i] == pytest.approx(confidence, abs=1e-5)
    known = outputs["decisions"][: len(photos)]
    assert (known == -1).any()
    assert (known >= 0).any()
    assert 1 not in known[:, 1]  # `round` is never decided for
    below_half = outputs["collar"][: len(photos)] < 0.5
    assert (known[below_half, 0] == 1).any()  # by a threshold below one half
    assert outputs["decisions"][-1].tolist() == [-1] * 3  # of a damaged photo
    assert outputs["confidence"][-1].tolist() == [0] * 3


def test_an_export_that_decides_otherwise_is_noticed(outputs, decided_model, photos):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (50, SCHEMA.n_logits))
    rules = parse_rules(SCHEMA, {"attributes": RULES}, "thresholds.json")
    found = {"views/decisions": np.zeros((50, 3), np.int32), "views/confidence": np.zeros((50, 3), np.float32)}
    for row, probabilities in enumerate(zip(*SCHEMA.probabilities(logits).values(), strict=True)):
        pairs = [decided(name, values) for name, values in zip(SCHEMA.names, probabilities, strict=True)]
        found["views/decisions"][row], found["views/confidence"][row] = zip(*pairs, strict=True)
    (difference,) = compare_decisions(found, {"views": logits}, SCHEMA, rules, 1e-4)
    assert difference < 1e-6
    other = {**rules, "gender": replace(rules["gender"], temperature=1.0)}
    assert max(compare_decisions(found, {"views": logits}, SCHEMA, other, 0.5)) == 0  # every decision may turn
    with pytest.raises(InputError, match="decides 'gender' otherwise"):
        compare_decisions(found, {"views": logits}, SCHEMA, other, 1e-4)
    found["views/confidence"][:, 2] += 0.01
    assert compare_decisions(found, {"views": logits}, SCHEMA, rules, 1e-4)[0] == pytest.approx(0.01, abs=1e-6)


def test_thresholds_of_other_attributes_are_refused_before_anything_is_written(decided_model, photos, tmp_path):
    card = {"versions": {}, "segmenter": None, "views": ["photo"], "size": 16, "precision": "float32"}
    for text in ("[]", "{", json.dumps({"attributes": RULES})):  # the last one without a goal
        with pytest.raises(InputError, match=r"thresholds\.json"):
            model_card(SCHEMA, card, {"thresholds.json": text})
    for attributes in ({"collar": RULES["collar"]}, {**RULES, "neckline": RULES["gender"]}):
        documents = {"thresholds.json": json.dumps({"attributes": attributes})}
        with pytest.raises(InputError, match=r"thresholds\.json: has thresholds for other"):
            export_model(decided_model, tmp_path / "out", schema=SCHEMA, photos=photos, documents=documents)
    assert not (tmp_path / "out").exists()


def test_tags_say_what_is_decided_and_what_is_not_sure(decided_export, outputs, tags):
    for row, of_photo in enumerate(tags):
        for i, attribute in enumerate(SCHEMA):
            tag, decision = of_photo.attributes[attribute.name], outputs["decisions"][row, i]
            assert tag.sure == (decision >= 0)
            assert tag.probability == pytest.approx(outputs["confidence"][row, i], abs=1e-6)
            if tag.sure:
                assert tag.value == attribute.classes[decision]
    unsure = next(of_photo for of_photo in tags if not of_photo.attributes["neckline"].sure)
    found = unsure.to_dict()["attributes"]["neckline"]
    assert found["class"] is None
    assert found["likeliest"] == unsure.attributes["neckline"].value
    shown = CliRunner().invoke(main, ["tag", str(decided_export.folder), unsure.photo])
    assert f"not sure ({found['likeliest']})" in shown.stdout


def test_a_table_has_the_tags_that_are_decided(decided_export, outputs, photos, tmp_path):
    def table(name, *options):
        command = ["tag", str(decided_export.folder), *map(str, photos), "--out", str(tmp_path / name), *options]
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]

    for row, found in enumerate(table("decided.jsonl")):
        collar, neckline, gender = outputs["decisions"][row].tolist()
        expected = ["collar"] if collar == 1 else []
        expected += [f"neckline={SCHEMA.attributes[1].classes[neckline]}"] if neckline >= 0 else []
        expected += [f"gender={SCHEMA.attributes[2].classes[gender]}"] if gender >= 0 else []
        assert found["tags"] == expected
        assert found["not_sure"] == [n for n, d in zip(SCHEMA.names, outputs["decisions"][row], strict=True) if d < 0]
        assert found["collar"] == pytest.approx(outputs["collar"][row], abs=1e-5)  # not calibrated
    for row, found in enumerate(table("above.jsonl", "--threshold", "0.7")):
        assert ("collar" in found["tags"]) == (outputs["collar"][row] >= 0.7)
        assert found["not_sure"] == []


def test_tags_over_the_wire_are_decided_as_well(decided_export, photos, tags):
    with serving(decided_export.folder, "decided") as server:
        over_rest, over_grpc = (list(query_photos(connect(url), SCHEMA, photos)) for url in (server.rest, server.grpc))
    for found in (over_rest, over_grpc):
        for ours, theirs in zip(found, tags, strict=True):
            assert ours.attributes.keys() == theirs.attributes.keys()
            for name, tag in ours.attributes.items():
                other = theirs.attributes[name]
                assert (tag.value, tag.sure) == (other.value, other.sure)
                assert tag.probability == pytest.approx(other.probability, abs=1e-5)


def test_the_app_shows_the_same(decided_export, photos, tags):
    shown = open_shown_model(decided_export.folder).show(photos[0])
    assert shown.note == "Probabilities are calibrated."
    assert [(t.attribute, t.value, t.sure) for t in shown.tags] == [
        (name, tag.value, tag.sure) for name, tag in tags[0].attributes.items()
    ]
    assert not all(tag.sure for tag in shown.tags)


@pytest.mark.usefixtures("tasks_here", "verified_here")
def test_thresholds_go_from_a_cross_validation_through_train_into_an_export(baseline, photos, tmp_path):
    """A model that was trained before gets them by ``train --like RUN --resume``."""
    final = Run(tmp_path / "final")
    shutil.copytree(baseline.folder, final.folder)
    settings = replace(baseline.experiment, folds=2)
    validated = write_run(
        tmp_path / "validated", baseline.labels, schema=SCHEMA, experiment=settings, photos=tuple(photos)
    )
    dataset = Dataset(SCHEMA, tuple(photos), baseline.labels)
    write_thresholds(validated, Goal("f1"))
    train_final(dataset, baseline.experiment, final.folder, like=validated, resume=True)
    assert final.read("thresholds.json") == validated.read("thresholds.json")
    export = export_run(final, tmp_path / "export").folder
    card = (export / "assets.extra" / "model_card.md").read_text()
    assert "thresholds, fitted for f1 on" in card
    rule = final.read("thresholds.json")["attributes"]["collar"]
    assert f"| collar | {rule['temperature']:.3f} | {rule['threshold']:.3f} | no: 0.000, yes: 0.000 |" in card
    (tags,) = Tagger(export).tag(photos[:1])
    shown = open_shown_model(final.folder).show(photos[0])
    assert [tag.value for tag in shown.tags] == [tag.value for tag in tags.attributes.values()]
    np.testing.assert_allclose(
        [tag.probability for tag in shown.tags], [tag.probability for tag in tags.attributes.values()], atol=1e-4
    )
    other = Schema((Attribute("cap"), *SCHEMA.attributes[1:]))
    with pytest.raises(InputError, match="for other attributes"):
        train_final(replace(dataset, schema=other), baseline.experiment, tmp_path / "other", like=validated)
    (validated.folder / "thresholds.json").unlink()
    train_final(dataset, baseline.experiment, final.folder, like=validated, resume=True)
    assert not (final.folder / "thresholds.json").exists()


def test_the_c_runtime_of_servers_decides_alike(decided_export, outputs, photos, tmp_path):
    signature = signature_defs(decided_export.folder)["serving_default"]
    request = {
        "libraries": importlib.util.find_spec("tensorflow").submodule_search_locations[0],
        "saved_model": str(decided_export.folder),
        "calls": [
            {
                "inputs": {signature.inputs["image_bytes"].name: list(map(str, photos))},
                "outputs": {name: signature.outputs[name].name for name in ("decisions", "confidence")},
            }
        ],
    }
    (tmp_path / "request.json").write_text(json.dumps(request))
    command = [
        sys.executable,
        "-P",
        Path(__file__).with_name("c_api.py"),
        tmp_path / "request.json",
        tmp_path / "a.npz",
    ]
    child = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert child.returncode == 0, child.stderr[-2000:]
    answers = np.load(tmp_path / "a.npz")
    assert answers["decisions"].tolist() == outputs["decisions"][: len(photos)].tolist()
    np.testing.assert_allclose(answers["confidence"], outputs["confidence"][: len(photos)], atol=1e-6)


def test_other_formats_decide_alike(decided_export, decided_model, tmp_path):
    shutil.copytree(decided_export.folder, tmp_path / "1")
    rules = parse_rules(SCHEMA, {"attributes": RULES}, "thresholds.json")
    for name in FORMATS:
        assert add_format(tmp_path / "1", name, decided_model, SCHEMA, 1e-4, rules) < 1e-4


def test_openvino_decides_alike(decided_export, photos, tags):
    in_openvino = list(Tagger(decided_export.folder, runtime="openvino").tag(photos))
    for ours, theirs in zip(tags, in_openvino, strict=True):
        assert [(t.value, t.sure) for t in ours.attributes.values()] == [
            (t.value, t.sure) for t in theirs.attributes.values()
        ]
