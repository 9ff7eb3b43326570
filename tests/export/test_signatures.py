import io
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_sister import models
from keras_sister.data.view_store import ViewPairs, ViewStore
from keras_sister.errors import InputError
from keras_sister.export.signatures import Signatures
from keras_sister.losses import MaskedAttributeLoss
from keras_sister.schema import Attribute, Schema
from keras_sister.segmentation.compositing import composite
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.segmentation.segmenters.network import load_segmenter

from ..data.filling import Brightness
from ..exports import SCHEMA, draw
from ..harness import QUICK_TENSORFLOW


@pytest.fixture(scope="module")
def tag_bytes(sister_loaded):
    """The signature ``serving_default`` of Sister-A's export, to NumPy."""

    def answer(contents: list[bytes]) -> dict[str, np.ndarray]:
        outputs = sister_loaded.signatures["serving_default"](image_bytes=tf.constant(contents))
        return numbers({name: values.numpy() for name, values in outputs.items()}, len(contents))

    return answer


@pytest.fixture(scope="module")
def pairs(photos, fcn, tmp_path_factory) -> ViewPairs:
    """The view pairs of the photos, as training has them."""
    preprocessor = Preprocessor(load_segmenter(fcn), size=64)
    store = ViewStore(64, preprocessor.fingerprint, cache=tmp_path_factory.mktemp("views"))
    return store.open(store.fill(photos, preprocessor))


def numbers(outputs: dict[str, np.ndarray], photos: int) -> dict[str, np.ndarray]:
    """The outputs without the hash of the schema, which is the same in every row."""
    assert np.asarray(outputs.pop("schema_hash")).astype(str).tolist() == [SCHEMA.hash] * photos
    return outputs


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def assert_same_rows(outputs: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert outputs.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(outputs[name], expected[name], atol=1e-5, err_msg=name)


def test_photos_of_mixed_sizes_are_tagged_as_the_model_tags_their_training_views(sister, photos, pairs, tag_bytes):
    rows = range(len(photos))
    masks = pairs.masks(rows)
    views = {"photo": pairs.photos(rows), "segmented": composite(pairs.photos(rows), masks, "black").numpy()}
    logits = keras.saving.load_model(sister.folder / "model.keras").predict(views, verbose=0)

    outputs = tag_bytes([photo.read_bytes() for photo in photos])
    for name, expected in SCHEMA.probabilities(logits).items():
        np.testing.assert_allclose(outputs[name], expected, atol=1e-6)
        assert np.ptp(expected, axis=0).max() > 1e-3  # photos are told apart at all
    np.testing.assert_allclose(outputs["person_share"], (masks >= 128).mean(axis=(1, 2, 3)), atol=1e-6)
    assert 0 < outputs["person_share"].min() < outputs["person_share"].max() < 1


def test_photos_are_upright_and_opaque_inside_the_export(tag_bytes, photos):
    """Turned, transparent and WebP files that look like a photo get its tags."""
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(photos[3]) as image:
        image.load()
    white = image.copy()
    white.paste("white", (0, 0, 10, 10))
    corner = Image.new("L", image.size, 255)
    corner.paste(0, (0, 0, 10, 10))
    see_through = image.copy()
    see_through.putalpha(corner)
    rotated = image.transpose(Image.Transpose.ROTATE_90)
    plain = tag_bytes([encoded(image, "PNG"), encoded(white, "PNG")])
    same = tag_bytes([encoded(image, "WEBP", lossless=True), encoded(see_through, "PNG")])
    assert_same_rows(same, plain)
    assert_same_rows(tag_bytes([encoded(see_through, "WEBP", lossless=True)]), {k: v[1:] for k, v in plain.items()})
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True})):
        turned = tag_bytes([encoded(rotated, kind, exif=exif, **options)])
        sideways = tag_bytes([encoded(rotated, kind, **options)])
        # Resizing and turning differ by a level in a few pixels from turning and resizing.
        np.testing.assert_allclose(turned["neckline"], plain["neckline"][:1], atol=1e-3)
        assert np.abs(sideways["neckline"] - plain["neckline"][:1]).max() > 3e-3


def test_a_photo_only_model_has_no_segmenter_inside_and_answers_in_float32(baseline, baseline_export, photos, tmp_path):
    mixed = keras.saving.load_model(baseline.folder / "model.keras")
    assert {layer.compute_dtype for layer in mixed.layers} >= {"bfloat16"}
    config = json.loads(json.dumps(mixed.get_config()).replace("mixed_bfloat16", "float32"))
    model = keras.Model.from_config(config)
    model.set_weights(mixed.get_weights())
    store = ViewStore(64, None, cache=tmp_path)
    views = {
        "photo": store.open(store.fill(photos, Preprocessor(None, size=64, views=("photo",)))).photos(
            range(len(photos))
        )
    }

    signature = tf.saved_model.load(str(baseline_export.folder)).signatures["serving_default"]
    outputs = signature(image_bytes=tf.constant([photo.read_bytes() for photo in photos]))
    assert outputs.keys() == {"collar", "neckline", "gender", "decoded", "schema_hash"}
    for name, expected in SCHEMA.probabilities(model.predict(views, verbose=0)).items():
        np.testing.assert_allclose(outputs[name], expected, atol=1e-5)


def test_every_signature_names_float32_outputs_with_the_batch_first(sister_loaded):
    signatures = sister_loaded.signatures
    attributes = {"collar": (None,), "neckline": (None, 3), "gender": (None,)}
    also = {"serving_default": {"decoded", "person_share", "schema_hash"}, "images": {"person_share"}, "views": set()}
    assert signatures.keys() == {*also, "prepare", "segment"}
    prepared = signatures["prepare"].structured_outputs
    assert {name: (values.dtype, tuple(values.shape)) for name, values in prepared.items()} == {
        "photo": (tf.float32, (None, 64, 64, 3)),
        "segmented": (tf.float32, (None, 64, 64, 3)),
        "person_share": (tf.float32, (None,)),
        "decoded": (tf.bool, (None,)),
    }
    (mask,) = signatures["segment"].structured_outputs.values()
    assert (mask.name, mask.dtype, tuple(mask.shape)) == ("mask", tf.float32, (None, None, None, 1))
    for name in also:
        signature = signatures[name]
        shapes = {output: tuple(values.shape) for output, values in signature.structured_outputs.items()}
        assert shapes == attributes | dict.fromkeys(also[name], (None,))
        dtypes = {output: values.dtype for output, values in signature.structured_outputs.items()}
        assert dtypes.pop("decoded", tf.bool) == tf.bool
        assert dtypes.pop("schema_hash", tf.string) == tf.string
        assert set(dtypes.values()) == {tf.float32}
    inputs = {name: signature.structured_input_signature[1] for name, signature in signatures.items()}
    assert inputs["serving_default"] == {"image_bytes": tf.TensorSpec((None,), tf.string, "image_bytes")}
    assert inputs["images"] == {"images": tf.TensorSpec((None, None, None, 3), tf.uint8, "images")}
    assert inputs["views"] == {
        view: tf.TensorSpec((None, 64, 64, 3), tf.uint8, view) for view in ("photo", "segmented")
    }


def test_a_photo_has_the_same_tags_in_a_batch_of_any_size(photos, tag_bytes):
    contents = [photo.read_bytes() for photo in (*photos, *photos[:3])]
    whole = tag_bytes(contents)
    for size in (1, 3):
        parts = [tag_bytes(contents[start : start + size]) for start in range(0, len(contents), size)]
        assert_same_rows({name: np.concatenate([part[name] for part in parts]) for name in whole}, whole)


def test_a_broken_photo_is_flagged_and_its_neighbours_are_not_touched(photos, tag_bytes):
    good = [photo.read_bytes() for photo in photos[:3]]
    broken = [
        b"",
        b"no image",
        good[0][: len(good[0]) // 2],
        encoded(draw(20, 20, 0), "WEBP")[:60],
        encoded(draw(20, 20, 0), "BMP"),
        encoded(draw(20, 20, 0), "GIF"),
    ]
    alone = tag_bytes(good)
    for wrong in broken:
        mixed = tag_bytes([good[0], wrong, *good[1:]])
        assert mixed["decoded"].tolist() == [True, False, True, True]
        assert_same_rows({name: np.delete(values, 1, axis=0) for name, values in mixed.items()}, alone)
        assert all(not values[1].any() for values in mixed.values())


def on_white(image: Image.Image) -> Image.Image:
    page = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(page, image.convert("RGBA")).convert("RGB")


def kinds() -> dict[str, bytes]:
    """Images that are no plain RGB, each beside the RGB image that it must be taken for."""
    image = draw(90, 60, 7)
    grey, palette = image.convert("L"), image.quantize(64)
    see_through = image.convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(image.size))
    cmyk = encoded(image.convert("CMYK"), "JPEG", quality=95)
    return {
        "grey JPEG": (encoded(grey, "JPEG", quality=95), Image.open(io.BytesIO(encoded(grey, "JPEG", quality=95)))),
        "grey PNG": (encoded(grey, "PNG"), grey),
        "grey PNG with alpha": (encoded(see_through.convert("LA"), "PNG"), on_white(see_through.convert("LA"))),
        "palette PNG": (encoded(palette, "PNG"), palette),
        "1-bit PNG": (encoded(image.convert("1"), "PNG"), image.convert("1")),
        "PNG with alpha": (encoded(see_through, "PNG"), on_white(see_through)),
        "16-bit PNG": (encoded(Image.fromarray(257 * np.asarray(grey, np.uint16)), "PNG"), grey),
        "CMYK JPEG": (cmyk, Image.open(io.BytesIO(cmyk))),
        "progressive JPEG": (
            encoded(image, "JPEG", progressive=True),
            Image.open(io.BytesIO(encoded(image, "JPEG", progressive=True))),
        ),
    }


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_of_image_is_taken_for_the_rgb_that_pillow_sees(kind, tag_bytes):
    contents, taken_for = kinds()[kind]
    outputs = tag_bytes([contents, encoded(taken_for.convert("RGB"), "PNG")])
    assert outputs["decoded"].all()
    for name, values in outputs.items():
        # Rows of one batch may differ in the last bit, since vectorised kernels treat the end of a batch separately.
        np.testing.assert_allclose(values[0], values[1], rtol=1e-6, err_msg=name)


def test_the_signatures_for_tensors_answer_as_the_one_for_files(sister_loaded, photos, pairs, tag_bytes):
    signatures = sister_loaded.signatures
    expected = tag_bytes([photos[2].read_bytes()] * 2)
    del expected["decoded"]
    image = np.asarray(Image.open(photos[2]))
    assert_same_rows({k: v.numpy() for k, v in signatures["images"](images=np.stack([image, image])).items()}, expected)

    photo = pairs.photos([2, 2])
    outputs = signatures["views"](photo=photo, segmented=composite(photo, pairs.masks([2, 2]), "black"))
    del expected["person_share"]
    assert_same_rows({name: values.numpy() for name, values in outputs.items()}, expected)


def test_prepare_gives_the_views_that_the_model_is_trained_on(sister_loaded, photos, pairs):
    rows = range(len(photos))
    contents = [*(photo.read_bytes() for photo in photos), b"broken"]
    prepared = {k: v.numpy() for k, v in sister_loaded.signatures["prepare"](image_bytes=tf.constant(contents)).items()}
    np.testing.assert_array_equal(prepared["photo"][:-1], pairs.photos(rows))
    expected = composite(pairs.photos(rows), pairs.masks(rows), "black").numpy()
    differ = (prepared["segmented"][:-1] != expected).any(axis=-1)  # at the edge of the person by the last bit of a sum
    assert differ.mean() < 1e-3
    assert prepared["decoded"].tolist() == [True] * len(photos) + [False]
    assert prepared["person_share"][-1] == 0


def test_it_answers_where_neither_keras_nor_this_package_can_be_imported(sister_export, photos, tag_bytes):
    program = """
sys.modules["keras"] = sys.modules["tf_keras"] = sys.modules["keras_sister"] = None
import json, pathlib, tensorflow as tf
contents = [pathlib.Path(photo).read_bytes() for photo in sys.argv[2:]]
outputs = tf.saved_model.load(sys.argv[1]).signatures["serving_default"](image_bytes=tf.constant(contents))
print(json.dumps({name: values.numpy().astype(str if values.dtype == tf.string else None).tolist()
                  for name, values in outputs.items()}))
gc.freeze()
"""
    command = [sys.executable, "-c", QUICK_TENSORFLOW + program, str(sister_export.folder), *map(str, photos)]
    outputs = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert_same_rows(
        numbers({name: np.array(values) for name, values in outputs.items()}, len(photos)),
        tag_bytes([photo.read_bytes() for photo in photos]),
    )


def test_keras_takes_it_as_a_layer(sister_export, photos, tag_bytes):
    contents = tf.constant([photo.read_bytes() for photo in photos])
    layer = keras.layers.TFSMLayer(str(sister_export.folder), call_endpoint="serving_default")
    inputs = keras.Input((), dtype="string")
    outputs = keras.Model(inputs, layer(inputs)).predict(contents, verbose=0)
    assert_same_rows(numbers(outputs, len(photos)), tag_bytes([photo.read_bytes() for photo in photos]))
    layer = keras.layers.TFSMLayer(str(sister_export.folder), call_endpoint="views")
    black = np.zeros((2, 64, 64, 3), np.uint8)
    assert layer({"photo": black, "segmented": black})["neckline"].shape == (2, 3)


@pytest.mark.filterwarnings("ignore:pkg_resources is deprecated:UserWarning")
def test_tensorflow_hub_takes_it(sister_export, photos, tag_bytes):
    import tensorflow_hub

    folder = str(sister_export.folder)
    assert tensorflow_hub.resolve(folder) == folder
    contents = [photo.read_bytes() for photo in photos]
    outputs = tensorflow_hub.load(folder).signatures["serving_default"](image_bytes=tf.constant(contents))
    found = numbers({name: values.numpy() for name, values in outputs.items()}, len(contents))
    assert_same_rows(found, tag_bytes(contents))


def test_nothing_in_it_needs_xla(sister_loaded):
    assert not needs_xla(sister_loaded.signatures["serving_default"])


def test_a_sliver_of_a_person_counts_as_nobody(tmp_path):
    """Under one percent of 1,024 pixels; the photo stays whole, as in training."""
    image = keras.Input((32, 32, 3))
    network = keras.Model(image, keras.layers.Conv2D(4, 8, strides=8)(image))
    model = models.build("segmented", SCHEMA, backbone=network, size=32)
    preprocessor = Preprocessor(Brightness(), size=32, views=("segmented",))
    Signatures(model, SCHEMA, preprocessor).write(tmp_path / "export")
    photos = np.zeros((2, 32, 32, 3), np.uint8)
    for photo, pixels in zip(photos, (10, 11), strict=True):
        photo.reshape(-1, 3)[:pixels] = (255, 7, 7)
    signatures = tf.saved_model.load(str(tmp_path / "export")).signatures
    contents = tf.constant([encoded(Image.fromarray(photo), "PNG") for photo in photos])
    prepared = signatures["prepare"](image_bytes=contents)
    tagged = signatures["serving_default"](image_bytes=contents), signatures["images"](images=photos)
    for outputs in (prepared, *tagged):
        np.testing.assert_allclose(outputs["person_share"], [0, 11 / 1024])
    np.testing.assert_array_equal(prepared["segmented"][0], photos[0])
    np.testing.assert_array_equal(prepared["segmented"][1], np.where(photos[1, ..., :1] > 0, photos[1], 255))


@pytest.mark.parametrize("fitted", [False, True])
def test_nothing_needs_xla_although_the_model_was_compiled_with_it(fitted, tmp_path):
    pixels = keras.Input((32, 32, 3))
    network = keras.Model(pixels, keras.layers.Conv2D(4, 8, strides=8)(pixels))
    model = models.build("baseline", SCHEMA, backbone=network, size=32)
    model.compile("sgd", loss=MaskedAttributeLoss(SCHEMA), jit_compile=True)
    black = {"photo": np.zeros((2, 32, 32, 3), np.uint8)}
    compiled = tf.function(model, jit_compile=True).get_concrete_function(black)
    assert needs_xla(tf.function(lambda: compiled({"photo": tf.constant(black["photo"])})).get_concrete_function())
    if fitted:
        model.fit(black, np.zeros((2, len(SCHEMA)), np.int8), verbose=0)
        model.predict(black, verbose=0)
    Signatures(model, SCHEMA, Preprocessor(None, size=32, views=("photo",))).write(tmp_path / "export")
    for signature in tf.saved_model.load(str(tmp_path / "export")).signatures.values():
        assert not needs_xla(signature)


def needs_xla(function: tf.types.experimental.ConcreteFunction) -> bool:
    """Whether a node or function of a graph is one of XLA's, or is marked to be compiled by it."""
    graph = function.graph.as_graph_def()
    functions = [function.function_def, *graph.library.function]
    nodes = [*graph.node, *(node for inner in functions for node in inner.node_def)]
    marked = any("Xla" in key and value.b for item in (*functions, *nodes) for key, value in item.attr.items())
    return marked or any("Xla" in node.op for node in nodes)


@pytest.mark.parametrize("name", ["decoded", "person_share", "schema_hash"])
def test_an_attribute_may_not_have_the_name_of_another_output(name):
    model = keras.Sequential([keras.Input((8, 8, 3), name="photo"), keras.layers.Flatten(), keras.layers.Dense(1)])
    with pytest.raises(InputError, match=name):
        Signatures(model, Schema((Attribute(name),)), Preprocessor(None, size=8, views=("photo",)))


def test_model_and_segmenter_must_go_together(fcn):
    model = keras.Sequential([keras.Input((8, 8, 3), name="photo"), keras.layers.Flatten(), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="Expected a preprocessor"):
        Signatures(model, Schema((Attribute("collar"),)), Preprocessor(load_segmenter(fcn), size=8, views=("photo",)))
