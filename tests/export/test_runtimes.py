"""Exports in what loads SavedModels beside Python's TensorFlow: the C runtime of servers, and the command line."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from ..exports import SCHEMA
from ..harness import QUICK_TENSORFLOW


def signature_defs(folder: Path) -> dict:
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    defs = dict(saved.meta_graphs[0].signature_def)
    defs.pop("__saved_model_init_op", None)
    return defs


@pytest.fixture(scope="module")
def asked(photos, tmp_path_factory) -> dict[str, dict[str, np.ndarray | list[bytes]]]:
    """Inputs of every signature."""
    rng = np.random.default_rng(0)
    views = {view: rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8) for view in ("photo", "segmented")}
    images = rng.integers(0, 256, (2, 90, 70, 3), dtype=np.uint8)
    broken = tmp_path_factory.mktemp("broken") / "broken.jpg"
    broken.write_bytes(photos[0].read_bytes()[:300])
    odd = [broken.with_name(name) for name in ("turned.jpg", "turned.webp", "see_through.png", "see_through.webp")]
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(photos[0]) as image:
        for file in odd:
            (image.convert("RGBA") if file.stem == "see_through" else image).save(file, exif=exif)
    photos = [*photos, *odd]
    return {
        "serving_default": {"image_bytes": [*photos, broken]},
        "images": {"images": images},
        "views": views,
        "prepare": {"image_bytes": [*photos, broken]},
        "segment": {"images": images},
    }


def test_the_c_runtime_answers_by_every_signature_as_python_does(sister_export, sister_loaded, asked, tmp_path):
    folder, calls, expected = sister_export.folder, [], {}
    defs = signature_defs(folder)
    assert set(defs) == set(asked)
    loaded = sister_loaded.signatures
    for signature, inputs in asked.items():
        given = {}
        for name, value in inputs.items():
            tensor = defs[signature].inputs[name].name
            if isinstance(value, list):
                given[tensor] = [str(file) for file in value]
            else:
                np.save(tmp_path / f"{signature}-{name}.npy", value)
                given[tensor] = str(tmp_path / f"{signature}-{name}.npy")
        outputs = {f"{signature}/{name}": info.name for name, info in defs[signature].outputs.items()}
        calls.append({"inputs": given, "outputs": outputs})
        tensors = {
            name: tf.constant([file.read_bytes() for file in value] if isinstance(value, list) else value)
            for name, value in inputs.items()
        }
        expected.update({f"{signature}/{name}": value.numpy() for name, value in loaded[signature](**tensors).items()})
    libraries = importlib.util.find_spec("tensorflow").submodule_search_locations[0]
    request = {"libraries": libraries, "saved_model": str(folder), "calls": calls}
    (tmp_path / "request.json").write_text(json.dumps(request))
    script = Path(__file__).with_name("c_api.py")
    command = [sys.executable, "-P", script, tmp_path / "request.json", tmp_path / "answers.npz"]
    child = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert child.returncode == 0, child.stderr[-2000:]
    answers = np.load(tmp_path / "answers.npz")
    assert set(answers.files) == set(expected)
    hashes = answers["serving_default/schema_hash"].tolist()
    assert hashes == expected.pop("serving_default/schema_hash").tolist() == [SCHEMA.hash.encode()] * 10
    for name, values in expected.items():
        np.testing.assert_allclose(answers[name], values, atol=1e-6, err_msg=name)
    assert answers["serving_default/decoded"].tolist() == [True] * 9 + [False]
    assert answers["segment/mask"].shape == (2, 90, 70, 1)


def test_saved_model_cli_shows_and_runs_it(sister_export, sister_loaded, photos, tmp_path):
    """The tool is started once, which takes longer than both commands, and forks for each."""
    folder = str(sister_export.folder)
    with Image.open(photos[0]) as photo:
        pixels = np.asarray(photo.convert("RGB"))
    np.save(tmp_path / "photo.npy", pixels[None])
    run = ["run", "--dir", folder, "--tag_set", "serve", "--signature_def", "images"]
    run += ["--inputs", f"images={tmp_path / 'photo.npy'}", "--outdir", str(tmp_path / "out")]
    program = """
import json, os
from tensorflow.python.tools import saved_model_cli
for arguments in json.loads(sys.argv[1]):
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0
    else:
        sys.argv = ["saved_model_cli", *arguments]
        saved_model_cli.main()
"""
    commands = json.dumps([["show", "--dir", folder, "--all"], run])
    command = [sys.executable, "-c", QUICK_TENSORFLOW + program, commands]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for text in ("signature_def['serving_default']", "inputs['image_bytes']", "outputs['neckline']", "outputs['mask']"):
        assert text in shown
    expected = sister_loaded.signatures["images"](images=tf.constant(pixels[None]))
    np.testing.assert_allclose(np.load(tmp_path / "out" / "neckline.npy"), expected["neckline"], atol=1e-6)


def test_the_segment_signature_gives_the_mask_at_the_photos_own_size(sister_loaded, fcn, asked):
    from keras_sister.segmentation.segmenters.open import open_segmenter

    images = asked["segment"]["images"]
    mask = sister_loaded.signatures["segment"](images=tf.constant(images))["mask"]
    segmenter = open_segmenter(str(fcn))
    for image, found in zip(images, mask.numpy(), strict=True):
        small = Image.fromarray(image).resize((96, 96), Image.Resampling.BILINEAR)
        probability = Image.fromarray(segmenter(np.asarray(small)[None]).numpy()[0, ..., 0])
        expected = np.asarray(probability.resize((70, 90), Image.Resampling.BILINEAR))
        assert np.abs(found[..., 0] - expected).mean() < 0.01
