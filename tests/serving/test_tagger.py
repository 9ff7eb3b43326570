import json
import os
import shutil
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_sister.errors import InputError
from keras_sister.serving.tagger import Tagger

from ..exports import SCHEMA


@pytest.fixture(scope="module")
def sister_tagger(sister_export) -> Tagger:
    return Tagger(sister_export.folder)


@pytest.fixture(scope="module")
def baseline_tagger(baseline_export) -> Tagger:
    return Tagger(baseline_export.folder)


def test_tags_are_the_probable_classes_of_the_export(sister_loaded, sister_tagger, photos):
    signature = sister_loaded.signatures["serving_default"]
    outputs = signature(image_bytes=tf.stack([tf.io.read_file(str(photo)) for photo in photos]))
    found = list(sister_tagger.tag(photos, batch_size=2))
    assert [tags.photo for tags in found] == list(map(str, photos))
    for row, tags in enumerate(found):
        assert tags.error is None
        assert tags.person_share == pytest.approx(float(outputs["person_share"][row]), abs=1e-5)
        assert list(tags.attributes) == [attribute.name for attribute in SCHEMA]
        for attribute in SCHEMA:
            values = outputs[attribute.name][row].numpy()
            expected = np.array([1 - values, values]) if attribute.is_binary else values
            tag = tags.attributes[attribute.name]
            assert tag.value == attribute.classes[expected.argmax()]
            assert tag.probability == pytest.approx(expected.max(), abs=1e-5)


def test_a_photo_that_cannot_be_read_is_an_error_in_its_place(baseline_tagger, photos, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photos[0].read_bytes()[:200])
    asked = [photos[0], tmp_path / "none.jpg", broken, tmp_path, photos[1]]
    found = list(baseline_tagger.tag(asked, batch_size=3))
    assert [bool(tags.error) for tags in found] == [False, True, True, True, False]
    assert [bool(tags.attributes) for tags in found] == [True, False, False, False, True]
    assert "No such file" in found[1].error
    assert found[2].error == "a truncated JPEG; copy or download it again"
    assert found[0].person_share is None  # there is no segmenter inside


@pytest.mark.parametrize("what", ["too many bytes", "no file", "too many pixels"])
def test_what_would_fill_the_memory_is_not_read(baseline_tagger, photos, tmp_path, what):
    asked = tmp_path / "huge.jpg"
    if what == "too many bytes":
        with asked.open("wb") as file:
            file.truncate(200_000_000)
    elif what == "no file":
        os.mkfifo(asked)  # whoever reads it waits for ever
    else:
        Image.new("L", (30_000, 3_000)).save(asked)
    fine, refused = baseline_tagger.tag([photos[0], asked])
    assert fine.error is None
    assert {"too many bytes": "100,000,000 bytes", "no file": "not a file"}.get(
        what, "more than 89,478,485 pixels"
    ) in refused.error


@pytest.mark.parametrize("runtime", ["openvino", "openvino-bfloat16"])
def test_openvino_gives_the_same_tags(sister_export, sister_tagger, photos, tmp_path, runtime):
    asked = [*photos, tmp_path / "none.jpg"]
    expected = list(sister_tagger.tag(asked))
    found = list(Tagger(sister_export.folder, runtime=runtime).tag(asked))
    assert "openvino_telemetry" not in sys.modules
    for one, other in zip(expected, found, strict=True):
        assert (one.photo, one.error, one.person_share) == (other.photo, other.error, other.person_share)
        assert one.attributes.keys() == other.attributes.keys()
        for name, tag in one.attributes.items():
            if runtime == "openvino":
                assert other.attributes[name].value == tag.value
                assert other.attributes[name].probability == pytest.approx(tag.probability, abs=1e-5)
            elif other.attributes[name].value == tag.value:
                assert other.attributes[name].probability == pytest.approx(tag.probability, abs=0.05)


def test_openvino_takes_no_export_in_bfloat16(bfloat16_export):
    with pytest.raises(InputError, match="supports exports in float32"):
        Tagger(bfloat16_export.folder, runtime="openvino")


def test_tags_as_json(sister_tagger, photos):
    (tags,) = sister_tagger.tag(photos[:1])
    content = json.loads(json.dumps(tags.to_dict()))
    assert content["photo"] == str(photos[0])
    assert content["attributes"]["gender"]["class"] in ("male", "female")
    assert 0.5 <= content["attributes"]["gender"]["probability"] <= 1
    assert content["error"] is None


def test_the_highest_version_is_taken(sister_export, baseline_export, photos, tmp_path):
    shutil.copytree(sister_export.folder, tmp_path / "2")
    shutil.copytree(baseline_export.folder, tmp_path / "10")
    (tmp_path / "11").mkdir()  # not an export
    (tags,) = Tagger(tmp_path).tag(photos[:1])
    assert tags.person_share is None


@pytest.mark.parametrize("what", ["nothing", "empty", "no schema", "another's schema", "damaged", "cut short"])
def test_what_is_no_export_is_named(what, baseline_export, tmp_path):
    folder = tmp_path / "model"
    if what != "nothing":
        folder.mkdir()
    if what not in ("nothing", "empty"):
        shutil.copytree(baseline_export.folder, folder / "1")
    if what == "no schema":
        (folder / "1" / "assets.extra" / "schema.json").unlink()
    if what == "another's schema":
        text = '{"attributes": [{"name": "hat", "classes": ["no", "yes"]}]}'
        (folder / "1" / "assets.extra" / "schema.json").write_text(text)
    if what == "cut short":
        os.truncate(folder / "1" / "variables" / "variables.data-00000-of-00001", 1000)
    if what == "damaged":
        (folder / "1" / "saved_model.pb").write_bytes(b"no protocol buffer")
    with pytest.raises(InputError, match=str(folder)):
        Tagger(folder)
