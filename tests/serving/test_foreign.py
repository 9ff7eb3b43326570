"""SavedModels that others made, given to ``tag``."""

import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from keras_sister.errors import InputError
from keras_sister.serving.file_writing import file_writing_operations
from keras_sister.serving.tagger import Tagger

from ..exports import SCHEMA


def save(folder: Path, outputs, *, on_load=None) -> Path:
    """A SavedModel whose ``serving_default`` returns ``outputs(batch, image_bytes)`` by name."""
    module = tf.Module()
    module.weight = tf.Variable(0.5)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, "image_bytes")])
    def serve(image_bytes):
        batch = tf.shape(image_bytes)[0]
        right = {
            "collar": tf.fill([batch], module.weight),
            "neckline": tf.fill([batch, 3], 1 / 3),
            "gender": tf.fill([batch], 0.25),
            "decoded": tf.fill([batch], True),
        }
        return {**right, **outputs(batch, image_bytes)}

    if on_load is not None:
        module.resource = on_load
    tf.saved_model.save(module, str(folder), signatures=serve)
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "schema.json").write_text(SCHEMA.to_json())
    return folder


def test_one_that_matches_its_schema_tags(tmp_path, photos):
    folder = save(tmp_path / "1", lambda batch, contents: {})
    assert file_writing_operations(folder) == []
    (tags,) = Tagger(folder).tag(photos[:1])
    assert {name: tag.value for name, tag in tags.attributes.items()} == {
        "collar": "yes", "neckline": "v_shape", "gender": "male"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("outputs", "fault"),
    [
        (lambda batch, _: {"neckline": tf.fill([batch, 4], 0.25)}, r"neckline as float32 \(None, 4\)"),
        (lambda batch, _: {"collar": tf.fill([batch, 1], 0.5)}, r"collar as float32 \(None, 1\)"),
        (lambda batch, _: {"collar": tf.fill([batch], 1)}, "collar as int32"),
        (lambda batch, _: {"collar": tf.fill([batch], -0.5)}, r"values of collar from -0.5 to -0.5; expected prob"),
        (lambda batch, _: {"neckline": tf.fill([batch, 3], 3.5)}, r"values of neckline from 3.5 to 3.5"),
        (lambda batch, _: {"gender": tf.fill([batch], float("nan"))}, "values of gender that are not finite"),
        (lambda batch, _: {"gender": tf.fill([2 * batch], 0.5)}, r"gender as float32 \(2,\); expected \(1,\)"),
        (lambda batch, _: {"decoded": tf.fill([batch], 1.0)}, "decoded as float32"),
        (lambda batch, _: {"schema_hash": tf.fill([batch], "ab")}, "hash of another schema"),
        (lambda batch, _: {"gender": tf.ensure_shape(tf.zeros([batch + 1]), [7])}, "the graph failed|gender"),
    ],
)
def test_outputs_that_are_no_probabilities_of_the_schema_are_refused(tmp_path, photos, outputs, fault):
    folder = save(tmp_path / "1", outputs)
    with pytest.raises(InputError, match=fault):
        list(Tagger(folder).tag(photos[:1]))


def test_a_graph_that_writes_files_is_not_run_unless_it_is_trusted(tmp_path, photos):
    target = str(tmp_path / "written")

    def writing(batch, contents):
        with tf.control_dependencies([tf.io.write_file(target, "x")]):
            return {"gender": tf.fill([batch], 0.5)}

    folder = save(tmp_path / "1", writing)
    with pytest.raises(InputError, match=r"its graph can write files \(WriteFile\).*--trust"):
        Tagger(folder)
    assert not Path(target).exists()
    assert len(list(Tagger(folder, trust=True).tag(photos[:1]))) == 1
    assert Path(target).exists()


@pytest.mark.parametrize("how", ["branch", "dataset", "print"])
def test_writing_is_found_wherever_it_is_hidden(tmp_path, how):
    target = str(tmp_path / "written")

    def outputs(batch, contents):
        if how == "branch":
            return {"gender": tf.cond(batch > 7, lambda: write(batch), lambda: tf.fill([batch], 0.5))}
        if how == "dataset":
            rows = tf.data.Dataset.range(3).map(lambda i: write(i)[0])
            return {"gender": tf.fill([batch], rows.reduce(0.0, lambda a, b: b))}
        tf.print("x", output_stream=f"file://{target}")
        return {}

    def write(value):
        with tf.control_dependencies([tf.io.write_file(target, "x")]):
            return tf.fill([tf.cast(value, tf.int32) + 1], 0.5)

    folder = save(tmp_path / "1", outputs)
    assert file_writing_operations(folder) == (["PrintV2"] if how == "print" else ["WriteFile"])


def test_what_runs_when_it_is_loaded_is_read_too(tmp_path):
    """The resource of a table is made by a function that loading runs."""
    target = str(tmp_path / "written")

    class Resource(tf.saved_model.experimental.TrackableResource):
        def _create_resource(self):
            with tf.control_dependencies([tf.io.write_file(target, "x")]):
                return tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)

        def _initialize(self):
            pass

    resource = Resource()
    folder = save(tmp_path / "1", lambda batch, _: {}, on_load=resource)
    Path(target).unlink(missing_ok=True)
    with pytest.raises(InputError, match="WriteFile"):
        Tagger(folder)
    assert not Path(target).exists()


def test_exports_of_this_package_write_nothing(sister_export, baseline_export, tmp_path):
    for export in (sister_export, baseline_export):
        assert file_writing_operations(export.folder) == []
    shutil.copytree(sister_export.folder, tmp_path / "1")
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(InputError, match="not an export that can be loaded"):
        Tagger(tmp_path / "1")
