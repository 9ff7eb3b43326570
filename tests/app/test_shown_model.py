import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from keras_sister.app.corrections import keep_correction
from keras_sister.app.shown_model import open_shown_model
from keras_sister.errors import InputError
from keras_sister.evaluation.checksums import note_again
from keras_sister.explanation.explain import draw_photo
from keras_sister.explanation.source import preprocessor_for
from keras_sister.models.saved import load_model
from keras_sister.serving.tagger import Tagger

from ..exports import RULES, SCHEMA


def test_an_export_shows_its_own_tags_and_its_views(sister, sister_export, photos):
    shown = open_shown_model(sister_export.folder).show(photos[2])
    (expected,) = Tagger(sister_export.folder).tag([photos[2]])
    assert [(tag.attribute, tag.value, tag.probability, tag.sure) for tag in shown.tags] == [
        (name, tag.value, tag.probability, True) for name, tag in expected.attributes.items()
    ]
    model = load_model(sister.folder / "model.keras", compile=False)
    views = preprocessor_for(sister.folder, model, None).load([photos[2]])
    np.testing.assert_allclose(shown.person, views["segmented"][0], atol=1)
    run = open_shown_model(sister.folder).show(photos[2])
    assert [tag.value for tag in run.tags] == [tag.value for tag in shown.tags]
    np.testing.assert_allclose(
        [tag.probability for tag in run.tags], [tag.probability for tag in shown.tags], atol=1e-4
    )


def test_an_export_with_decisions_shows_calibrated_probabilities_and_what_is_not_sure(tmp_path):
    """A graph with the outputs `decisions` and `confidence`, as an export has them after thresholds were fitted."""

    class Graph(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
        def serve(self, image_bytes):
            return {
                "collar": tf.constant([0.4]),
                "neckline": tf.constant([[0.2, 0.5, 0.3]]),
                "gender": tf.constant([0.9]),
                "decoded": tf.ones_like(image_bytes, tf.bool),
                "decisions": tf.constant([[1, -1, 1]]),
                "confidence": tf.constant([[0.7, 0.45, 0.8]]),
            }

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
        def prepare(self, image_bytes):
            return {"photo": tf.zeros((1, 4, 4, 3)), "decoded": tf.ones_like(image_bytes, tf.bool)}

    graph = Graph()
    tf.saved_model.save(graph, str(tmp_path), {"serving_default": graph.serve, "prepare": graph.prepare})
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "schema.json").write_text(SCHEMA.to_json())
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(tf.io.encode_jpeg(tf.zeros((4, 4, 3), tf.uint8)).numpy())
    shown = open_shown_model(tmp_path).show(photo)
    assert [(tag.attribute, tag.value, round(tag.probability, 3), tag.sure) for tag in shown.tags] == [
        ("collar", "yes", 0.7, True),  # decided for, by a threshold below one half
        ("neckline", "round", 0.45, False),
        ("gender", "female", 0.8, True),
    ]
    assert shown.note == "Probabilities are calibrated."
    assert shown.person is None


def test_what_cannot_be_opened_or_explained_is_said(sister_export, sister, photos, tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        open_shown_model(tmp_path / "nothing")
    with pytest.raises(InputError, match="not an export"):
        open_shown_model(tmp_path)
    with pytest.raises(InputError, match="its own segmenter"):
        open_shown_model(sister_export.folder, "selfie")
    export = open_shown_model(sister_export.folder)
    with pytest.raises(InputError, match="open the run"):
        export.heat_map(photos[0], "collar")
    (tmp_path / "half.png").write_bytes(photos[3].read_bytes()[:1500])
    for model in (export, open_shown_model(sister.folder)):
        with pytest.raises(InputError, match=r"half\.png: "):
            model.show(tmp_path / "half.png")


def test_the_heat_map_is_of_the_tag_that_is_shown_with_its_calibrated_probability(
    sister, photos, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    shutil.copytree(sister.folder, run)
    (run / "thresholds.json").write_text(json.dumps({"goal": "precision", "precision": 0.9, "attributes": RULES}))
    note_again(run, "thresholds.json")
    model = open_shown_model(run)
    tags, drawn = {tag.attribute: tag for tag in model.show(photos[1]).tags}, []

    def draw(*given, **chosen):
        drawn.append((chosen["attribute"], chosen["class_name"], chosen["calibrated"]))
        return draw_photo(*given, **chosen)

    monkeypatch.setattr("keras_sister.app.shown_model.draw_photo", draw)
    for attribute in ("collar", "neckline"):
        assert model.heat_map(photos[1], attribute).size[1] > 2 * 256
        assert drawn[-1] == (attribute, tags[attribute].value, tags[attribute].probability)


def test_two_pages_keep_corrections_of_one_photo_at_once(photos, tmp_path):
    """Both read the task of before and write a new one; without a lock the first correction was lost."""
    tags = [("collar", "yes"), ("neckline", "other"), ("gender", "female")]
    with ThreadPoolExecutor(3) as pool:
        kept = [pool.submit(keep_correction, tmp_path, photos[0], SCHEMA, *tag) for tag in tags]
        (file,) = {each.result() for each in kept}
    results = json.loads(file.read_text())[0]["annotations"][0]["result"]
    assert {(r["from_name"], *r["value"]["choices"]) for r in results} == set(tags)


def test_a_damaged_task_is_named_and_stays(photos, tmp_path):
    file = keep_correction(tmp_path, photos[0], SCHEMA, "collar", "no")
    file.write_text(json.dumps([{"data": {}}]))
    with pytest.raises(InputError, match=file.name):
        keep_correction(tmp_path, photos[0], SCHEMA, "collar", "yes")
    assert json.loads(file.read_text()) == [{"data": {}}]
    with pytest.raises(InputError, match="class of collar"):
        keep_correction(tmp_path, photos[0], SCHEMA, "collar", "perhaps")
