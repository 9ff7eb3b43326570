import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import requests

import keras_sister
from keras_sister.backbone_names import folder_hash, short_name, shown_name, with_hash, without_place
from keras_sister.backbones import build_backbone, fetch_weights
from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.errors import InputError
from keras_sister.explanation.heat_maps import heat_map
from keras_sister.export.export_run import export_run
from keras_sister.losses import MaskedAttributeLoss
from keras_sister.models import build
from keras_sister.run import Run
from keras_sister.training.start import start_run

from .exports import SCHEMA, trained_run
from .harness import QUICK_KERAS, QUICK_XLA, to_numpy
from .hub_presets import PATCH, SIZE, write_presets
from .pages import examples

MAPS = ("resnet", "mit")
"""Networks whose output is a map already: of Keras's layers, and of KerasHub's own."""
PHOTOS = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3)).astype(np.uint8)
MASKS = np.zeros((2, SIZE, SIZE, 1), np.uint8)
MASKS[0, :, : 2 * PATCH] = 255  # the left half; nobody in the other


@pytest.fixture(scope="module")
def presets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("presets")
    write_presets(folder)
    return folder


@pytest.fixture
def vit(presets: Path, tmp_path: Path) -> Path:
    """A copy of a preset, to change."""
    return shutil.copytree(presets / "vit", tmp_path / "vit")


def map_of_keras_hub(folder: Path, pixels: Any) -> np.ndarray:
    """What KerasHub's own network makes of pixels, with the tokens that are not of a patch taken out by hand."""
    from keras_hub.models import Backbone

    name = folder.name
    if name == "siglip":
        encoder = Backbone.from_preset(str(folder)).vision_encoder
        tokens = encoder.embedding(pixels)
        for block in encoder.encoder_layers:
            tokens = block(tokens)
        tokens = encoder.post_layer_norm(tokens)
    else:
        shape = {"image_shape": (SIZE, SIZE, 3)} if name == "dinov2" else {}
        tokens = Backbone.from_preset(str(folder), **shape)({"images": pixels} if name == "dinov2" else pixels)
    if name in MAPS:
        return to_numpy(tokens)
    leading = {"vit": 1, "dinov2": 1 + 2, "siglip": 0}[name]
    tokens = to_numpy(tokens)[:, leading:]
    return tokens.reshape(len(tokens), SIZE // PATCH, SIZE // PATCH, -1)


@pytest.mark.parametrize("name", [*MAPS, "vit", "dinov2", "siglip"])
def test_a_tower_computes_what_keras_hub_computes(name, presets, tmp_path):
    from keras_hub.layers import ImageConverter

    converter = ImageConverter.from_preset(str(presets / name))
    converter.image_size = (SIZE, SIZE)
    expected = map_of_keras_hub(presets / name, converter(PHOTOS))
    tower = build_backbone(f"keras_hub:{presets / name}", size=SIZE)
    found = to_numpy(tower(PHOTOS))
    assert tower.output_shape == (None, *expected.shape[1:])
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())

    changed = PHOTOS.copy()
    changed[:, PATCH : 2 * PATCH, 2 * PATCH : 3 * PATCH] ^= 255
    cells = np.abs(to_numpy(tower(changed)) - found).sum(axis=-1)  # the patch in row 1, column 2
    if name not in MAPS:
        assert [np.unravel_index(of.argmax(), of.shape) for of in cells] == [(1, 2), (1, 2)]

    tower.save(tmp_path / "tower.keras")
    np.testing.assert_array_equal(to_numpy(keras.saving.load_model(tmp_path / "tower.keras")(PHOTOS)), found)


def test_trained_weights_come_back_from_a_file(presets, tmp_path):
    """All of them have a gradient; those of DINOv2's positions are not kept by KerasHub's own layer."""
    backbone = f"keras_hub:{presets / 'dinov2'}"
    model, again = (build("masked", SCHEMA, backbone=backbone, size=SIZE) for _ in range(2))
    views = {"photo": PHOTOS, "mask": MASKS}
    before = [to_numpy(weight).copy() for weight in model.trainable_weights]
    model.compile("adam", loss=MaskedAttributeLoss(SCHEMA))
    model.fit(views, np.array([[0, 1, 1], [1, 2, 0]]), verbose=0)  # a missing gradient is a warning
    changes = {w.path: np.abs(to_numpy(w) - old).max() for w, old in zip(model.trainable_weights, before, strict=True)}
    assert all(changes[path] > 0 for path in changes if "register_tokens" not in path), changes
    model.save_weights(tmp_path / "model.weights.h5")
    again.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(to_numpy(again(views)), to_numpy(model(views)))


def test_masked_pools_and_explains_the_tokens_under_the_person(presets):
    model = build("masked", SCHEMA, backbone=f"keras_hub:{presets / 'siglip'}", size=SIZE)
    views = {"photo": PHOTOS, "mask": MASKS}
    features = to_numpy(model.get_layer("photo_tower")(PHOTOS))
    inputs = {tensor.name: tensor for tensor in model.inputs}
    pooled = keras.Model(inputs, model.get_layer("person_pool").output)(views)
    expected = [features[0, :, :2].max(axis=(0, 1)), features[1].max(axis=(0, 1))]
    np.testing.assert_array_equal(to_numpy(pooled), expected)

    (heat,) = heat_map(model, views, attribute="neckline", class_name="round").values()
    assert heat.shape == PHOTOS.shape[:3]
    assert heat.max() > 0


@pytest.mark.slow
@pytest.mark.usefixtures("verified_here")
def test_a_trained_head_is_exported(presets, photos, tmp_path):
    backbone = f"keras_hub:{presets / 'vit'}"
    run = trained_run(tmp_path / "run", photos[:1], system="baseline", backbone=backbone, size=SIZE, trainable="head")
    assert export_run(run, tmp_path / "saved_models").difference < 1e-4
    model = keras_sister.load_model(run.folder / "model.keras")  # with the optimizer of the head alone
    assert len(model.trainable_weights) == 4
    model.get_layer("photo_tower").trainable = True
    assert len(model.trainable_weights) > 20


def test_a_saved_sister_says_what_it_needs(presets, tmp_path, monkeypatch):
    """A convolutional network is saved as Keras's own layers, a transformer needs KerasHub."""
    towers = {"backbone": f"keras_hub:{presets / 'vit'}", "person_backbone": f"keras_hub:{presets / 'resnet'}"}
    sister = build("sister_a", SCHEMA, **towers, size=SIZE)
    sister.save(tmp_path / "sister.keras")
    views = {"photo": PHOTOS, "segmented": PHOTOS}
    again = keras_sister.load_model(tmp_path / "sister.keras")
    np.testing.assert_array_equal(to_numpy(again(views)), to_numpy(sister(views)))
    assert "keras_hub" not in json.dumps(sister.get_layer("segmented_tower").get_config(), default=str)

    monkeypatch.setitem(sys.modules, "keras_hub", None)
    missing = r"needs keras-hub\. Install it: pip install .*\[keras-hub\]"
    with pytest.raises(InputError, match=rf"sister\.keras: .*{missing}"):
        keras_sister.load_model(tmp_path / "sister.keras")
    with pytest.raises(InputError, match=missing):
        build_backbone(towers["backbone"], size=SIZE)


PROGRAM = f"""
import sys
sys.modules["tensorflow"] = None  # from here on importing it fails
{QUICK_KERAS}
import numpy as np
import keras_sister

views = dict(np.load(sys.argv[1]))
np.save(sys.argv[3], keras_sister.load_model(sys.argv[2])(views))
"""


@pytest.mark.slow
def test_a_saved_model_is_loaded_in_a_fresh_process_on_jax(presets, tmp_path):
    model = build("baseline", SCHEMA, backbone=f"keras_hub:{presets / 'vit'}", size=SIZE)
    files = [str(tmp_path / name) for name in ("views.npz", "model.keras", "logits.npy")]
    np.savez(files[0], photo=PHOTOS)
    model.save(files[1])
    environment = {**os.environ, "KERAS_BACKEND": "jax", **QUICK_XLA}
    done = subprocess.run([sys.executable, "-c", PROGRAM, *files], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(files[2]), to_numpy(model({"photo": PHOTOS})), rtol=1e-3, atol=1e-3)


def test_the_example_of_the_docs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, example = examples("docs/concepts/backbones.md", "python")
    given: dict[str, Any] = {}
    exec(example.text, given)  # noqa: S102 - our own page
    assert given["model"].get_layer("photo_tower").output_shape == (None, 4, 4, 32)


def test_a_preset_is_recorded_by_its_content(presets, vit, photos, tmp_path):
    labels = np.ones((len(photos), len(SCHEMA)), np.int8)
    dataset = Dataset(SCHEMA, tuple(photos), labels)
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    start_run(run, dataset, Experiment(system="baseline", backbone=f"keras_hub:{vit}").absolute(), resume=False)
    assert run.experiment.backbone == f"keras_hub:{vit}#sha256={folder_hash(vit)}"
    assert run.experiment.pretrained
    assert run.experiment.batch_norm == "frozen"
    (run.folder / "model.keras").touch()  # as if it had been trained

    moved = vit.rename(tmp_path / "moved")
    (moved / "metadata.json").write_text('{"date_saved": "today"}')
    start_run(run, dataset, Experiment(system="baseline", backbone=f"keras_hub:{moved}").absolute(), resume=True)
    assert run.experiment.backbone.startswith(f"keras_hub:{moved}#")
    other = Experiment(system="baseline", backbone=f"keras_hub:{presets / 'resnet'}").absolute()
    with pytest.raises(InputError, match=r"other settings \(backbone: .*, not .*\)"):
        start_run(run, dataset, other, resume=True)

    recorded = run.experiment.backbone
    (moved / "model.weights.h5").write_bytes(b"other weights")
    for changed in (lambda: build_backbone(recorded, size=SIZE), lambda: fetch_weights(recorded, "none", print)):
        with pytest.raises(InputError, match="moved: changed since the run was started"):
            changed()
    shutil.rmtree(moved)
    with pytest.raises(InputError, match=r"no such folder: .*moved"):
        build_backbone(recorded, size=SIZE)


def test_names_for_pages_and_folders(vit):
    recorded = with_hash(f"keras_hub:{vit}")
    assert with_hash(recorded) == recorded
    assert short_name(recorded) == "vit"
    assert shown_name(recorded) == f"vit#{without_place(recorded)[:8]}"
    named = "keras_hub:kaggle://keras/vit/keras/vit_base_patch16_224_imagenet/1"
    assert with_hash(named) == without_place(named) == named
    assert short_name(named) == shown_name(named) == "vit_base_patch16_224_imagenet"


def edit(file: Path, **settings: object) -> None:
    content = json.loads(file.read_text())
    content["config"] |= settings
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "size", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), SIZE, "has no config.json"),
        (
            lambda folder: (folder / "config.json").write_text("no JSON"),
            SIZE,
            "not an image backbone that can be loaded",
        ),
        (lambda folder: (folder / "image_converter.json").unlink(), SIZE, r"image_converter\.json.* doesn't exist"),
        (lambda folder: edit(folder / "image_converter.json", scale=0.0), SIZE, "does more than a scale and an offset"),
        (
            lambda folder: (folder / "model.weights.h5").write_bytes(b"torn"),
            SIZE,
            "not an image backbone that can be loaded",
        ),
        (lambda folder: edit(folder / "config.json", num_layers=2), SIZE, "not an image backbone that can be loaded"),
        (lambda folder: None, 64, "takes images of 32 × 32 pixels; use --size 32"),
    ],
)
def test_what_cannot_be_used_exactly_gets_one_line(change, size, message, vit):
    change(vit)
    with pytest.raises(InputError, match=message) as error:
        build_backbone(with_hash(f"keras_hub:{vit}"), size=size)
    assert "\n" not in str(error.value)


def test_a_preset_is_checked_whatever_the_order_of_axes_that_keras_is_set_to(presets):
    keras.config.set_image_data_format("channels_first")
    try:
        fetch_weights(f"keras_hub:{presets / 'vit'}", "imagenet", print)
        assert keras.config.image_data_format() == "channels_first"
    finally:
        keras.config.set_image_data_format("channels_last")


def test_the_weights_of_a_named_preset_are_downloaded_before_the_first_photo(presets, monkeypatch):
    import keras_hub

    def unreachable(place: str) -> None:
        raise requests.ConnectionError("Max retries exceeded")

    settings = keras_hub.layers.ImageConverter.from_preset(str(presets / "vit"))
    monkeypatch.setattr(keras_hub.layers.ImageConverter, "from_preset", lambda place, dtype: settings)  # has arrived
    monkeypatch.setattr(keras_hub.models.Backbone, "from_preset", unreachable)
    with pytest.raises(InputError, match=r"kaggle://a/b/keras/c: cannot be loaded: no connection.* give its folder"):
        fetch_weights("keras_hub:kaggle://a/b/keras/c", "imagenet", print)
    fetch_weights(f"keras_hub:{presets / 'vit'}", "imagenet", print)


def test_sizes_that_a_patch_does_not_divide_are_refused(presets):
    with pytest.raises(InputError, match=r"must be a multiple of its patch, 8 pixels\. Received: 36"):
        build_backbone(f"keras_hub:{presets / 'dinov2'}", size=36)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("keras_hub:dinov2_smal", "dinov2_smal: not a preset of the installed keras-hub.* Did you mean dinov2_small"),
        ("keras_hub:kaggle://short", "cannot be loaded: Unexpected Kaggle preset.* give its folder: keras_hub:FOLDER"),
        ("keras_hub:./no/such/folder", r"no such folder: \./no/such/folder"),
        ("keras_hub:", "backbone must be one of .* or keras_hub:PRESET_OR_FOLDER"),
    ],
)
def test_a_preset_that_does_not_exist(backbone, message):
    """It is refused before the first photo is decoded."""
    with pytest.raises(InputError, match=message) as error:
        fetch_weights(Experiment(backbone=backbone).absolute().backbone, "imagenet", print)
    assert "\n" not in str(error.value)
