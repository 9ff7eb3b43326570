import http.server
import io
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_sister.errors import InputError
from keras_sister.segmentation.segmenters.open import open_segmenter

PHOTOS = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)).astype(np.uint8)
RED = PHOTOS[..., :1] / 255  # what the networks below take for the probability of person


def save(folder: Path, network, dtype=tf.float32, shape=(None, None, None, 3), **signatures) -> Path:
    module = tf.Module()
    module.weight = tf.Variable(1.0)  # as a real one would have
    function = tf.function(lambda images: network(images * tf.cast(module.weight, dtype)))
    traced = function.get_concrete_function(tf.TensorSpec(shape, dtype, "images"))
    tf.saved_model.save(module, str(folder), signatures={"serving_default": traced, **signatures})
    return folder


def logit(probability):
    probability = tf.clip_by_value(probability, 1e-4, 1 - 1e-4)
    return tf.math.log(probability / (1 - probability))


def logits(images, classes, person):
    """Of which the softmax gives the red channel for `person`; the other classes share the rest."""
    red = tf.clip_by_value(images[..., :1], 1e-4, 1 - 1e-4)
    rest = tf.repeat(tf.math.log((1 - red) / (classes - 1)), classes - 1, axis=-1)
    return tf.concat([rest[..., :person], tf.math.log(red), rest[..., person:]], axis=-1) + 3.0


@pytest.mark.parametrize(
    ("network", "options"),
    [
        (lambda x: {"m": x[..., :1]}, ""),
        (lambda x: {"m": x[..., 0]}, ""),
        (lambda x: {"m": logits(x, 2, 1)}, ""),
        (lambda x: {"m": logits(x, 21, 15)}, ""),
        (lambda x: {"m": logits(x, 5, 3)}, "#person=3"),
        (lambda x: {"m": tf.nn.softmax(logits(x, 21, 15))}, ""),
        (lambda x: {"m": x[..., :1], "other": x}, "#output=m"),
        (lambda x: {"m": x[..., :1] / 255}, "#values=0..255"),
        (lambda x: {"m": (x[..., :1] + 1) / 2}, "#values=-1..1"),
        (lambda x: {"m": logit(x[..., :1])}, ""),
        (lambda x: {"m": logit(x[..., 0])}, ""),
        (lambda x: {"m": logit(x[..., :1])}, "#scores=logits"),
        (lambda x: {"m": x[..., :1]}, "#scores=probabilities"),
        (lambda x: {"m": x}, "#person=0"),
    ],
    ids=[
        "map",
        "flat",
        "two classes",
        "VOC",
        "named class",
        "probabilities",
        "named output",
        "0..255",
        "-1..1",
        "logits of person",
        "flat logits",
        "said to be logits",
        "said to be probabilities",
        "sigmoids",
    ],
)
def test_whatever_a_network_answers_is_a_probability(network, options, tmp_path):
    segmenter = open_segmenter(f"saved_model:{save(tmp_path / 'net', network)}{options}")
    assert segmenter.size is None
    np.testing.assert_allclose(segmenter(tf.constant(PHOTOS)), RED, atol=2e-3)


@pytest.mark.parametrize("network", [lambda x: logit(x[..., :1]), lambda x: logits(x, 21, 15)])
def test_what_a_network_gives_is_the_same_in_a_graph_that_does_not_know_its_channels(network, tmp_path):
    def unknown_channels(x):
        return {"m": tf.raw_ops.PlaceholderWithDefault(input=network(x), shape=(None, None, None, None))}

    segmenter = open_segmenter(f"saved_model:{save(tmp_path / 'net', unknown_channels)}")
    found = tf.function(segmenter)(tf.constant(PHOTOS))
    np.testing.assert_allclose(found, RED, atol=2e-3)


def test_a_map_of_classes_from_bytes(tmp_path):
    save(tmp_path / "net", lambda x: {"m": tf.where(x[..., 0] > 128, 15, 3)}, dtype=tf.uint8)
    found = open_segmenter(f"saved_model:{tmp_path / 'net'}#person=15")(tf.constant(PHOTOS))
    np.testing.assert_array_equal(found, PHOTOS[..., :1] > 128)


@pytest.mark.parametrize("dtype", [tf.uint8, tf.int32, tf.int64, tf.float32])
@pytest.mark.parametrize("rank", [3, 4])
def test_a_class_map_of_any_type_is_never_inverted(dtype, rank, tmp_path):
    def network(x):
        found = tf.cast(tf.where(x[..., 0] > 0.5, 1, 0), dtype)
        return {"m": found if rank == 3 else found[..., None]}

    found = open_segmenter(f"saved_model:{save(tmp_path / 'net', network)}#person=1")(tf.constant(PHOTOS))
    np.testing.assert_array_equal(found, PHOTOS[..., :1] / np.float32(255) > 0.5)


def test_a_map_of_truth_values_needs_no_class(tmp_path):
    folder = save(tmp_path / "net", lambda x: {"m": x[..., 0] > 0.5})
    found = open_segmenter(f"saved_model:{folder}")(tf.constant(PHOTOS))
    np.testing.assert_array_equal(found, PHOTOS[..., :1] / np.float32(255) > 0.5)


@pytest.mark.parametrize("network", [lambda x: {"m": logits(x, 2, 1)}, lambda x: {"m": logit(x[..., :1])}])
def test_what_the_scores_are_does_not_depend_on_the_batch(network, tmp_path):
    """A photo whose logits happen to lie within [0, 1], or to sum to 1, alone or beside others."""
    segmenter = open_segmenter(f"saved_model:{save(tmp_path / 'net', network)}")
    photos = PHOTOS.copy()
    photos[1] = 150  # a logit of 0.36
    together = segmenter(tf.constant(photos))
    for i, photo in enumerate(photos):
        np.testing.assert_allclose(segmenter(tf.constant(photo[None]))[0], together[i], atol=1e-6)
    np.testing.assert_allclose(together, photos[..., :1] / 255, atol=2e-3)


@pytest.mark.parametrize(
    ("scores", "remedy"),
    [
        (lambda x: x[..., :1], "add #person=NUMBER if they are class numbers, or #scores=logits"),
        (lambda x: 0 * x[..., :1], "add #person=NUMBER if they are class numbers, or #scores=logits"),
        (lambda x: tf.nn.softmax(logits(x, 2, 1)), "add #scores=logits"),
    ],
    ids=["probabilities", "class numbers", "two classes"],
)
def test_scores_that_leave_the_range_later_are_refused(scores, remedy, tmp_path):
    def network(x):
        return {"m": tf.where(tf.abs(x[:, :1, :1, :1] - 7 / 255) < 1e-3, 3.0, scores(x))}

    folder = save(tmp_path / "net", network)
    segmenter = open_segmenter(f"saved_model:{folder}")
    segmenter(tf.constant(PHOTOS))
    photos = PHOTOS.copy()
    photos[1, 0, 0, 0] = 7
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"scores outside 0\.\.1; {remedy}"):
        segmenter(tf.constant(photos))


@pytest.mark.parametrize("classes", [1, 2])
def test_logits_that_look_like_probabilities_can_be_said_to_be_logits(classes, tmp_path):
    """As of a network that is sure of nothing in the four images it is tried on."""
    folder = save(tmp_path / "net", lambda x: {"m": x[..., :classes]})
    found = open_segmenter(f"saved_model:{folder}#scores=logits")(tf.constant(PHOTOS))
    scores = PHOTOS.astype(float) / 255
    difference = scores[..., :1] if classes == 1 else scores[..., 1:2] - scores[..., :1]
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-difference)), atol=1e-6)


def test_a_smaller_answer_is_brought_to_the_images_size(tmp_path):
    save(tmp_path / "net", lambda x: {"m": tf.nn.avg_pool2d(x, 4, 4, "SAME")[..., :1]}, shape=(None, 16, 16, 3))
    segmenter = open_segmenter(f"saved_model:{tmp_path / 'net'}")
    assert segmenter.size == 16
    small = RED.reshape(3, 4, 4, 4, 4, 1).mean(axis=(2, 4))
    expected = [np.asarray(Image.fromarray(mask[..., 0].astype(np.float32)).resize((16, 16), 2)) for mask in small]
    np.testing.assert_allclose(segmenter(tf.constant(PHOTOS))[..., 0], expected, atol=1e-5)


def test_the_fingerprint_is_of_files_and_options(tmp_path):
    folder = save(tmp_path / "net", lambda x: {"m": logits(x, 21, 15)})
    specs = [f"saved_model:{folder}", f"saved_model:{folder}#person=3", f"saved_model:{folder}#values=0..255"]
    assert len({open_segmenter(spec).fingerprint for spec in specs}) == 3
    assert open_segmenter(specs[0]).fingerprint == open_segmenter(specs[0]).fingerprint


def test_it_works_inside_another_saved_model(tmp_path):
    module = tf.Module()
    module.segmenter = open_segmenter(f"saved_model:{save(tmp_path / 'net', lambda x: {'m': x[..., :1]})}")
    function = tf.function(lambda images: {"mask": module.segmenter(images)})
    traced = function.get_concrete_function(tf.TensorSpec((None, 16, 16, 3), tf.uint8, "images"))
    tf.saved_model.save(module, str(tmp_path / "outer"), signatures=traced)
    loaded = tf.saved_model.load(str(tmp_path / "outer"))
    np.testing.assert_allclose(loaded.signatures["serving_default"](tf.constant(PHOTOS))["mask"], RED, atol=1e-6)


@pytest.mark.parametrize(
    ("network", "options", "fault"),
    [
        (lambda x: {"a": x[..., :1], "b": x[..., :1]}, "", "several outputs.*a, b"),
        (lambda x: {"a": x[..., :1], "b": x[..., :1]}, "#output=c", "several outputs.*a, b"),
        (lambda x: {"m": logits(x, 5, 3)}, "", "5 classes; add #person=NUMBER"),
        (lambda x: {"m": logits(x, 5, 3)}, "#person=5", "#person=5, but there are 5 classes"),
        (lambda x: {"m": logits(x, 5, 3)}, "#person=three", "person must be a whole number"),
        (lambda x: {"m": x[..., :1]}, "#values=8", "values must be one of 0..1"),
        (lambda x: {"m": x[..., :1]}, "#color=1", "'color' is not an option"),
        (lambda x: {"m": x[..., :1]}, "#signature=s", "no signature 's'; there are: serving_default"),
        (lambda x: {"m": x[:, 0, 0]}, "", "not a map of pixels"),
        (lambda x: {"m": tf.cast(x[..., 0] > 0.5, tf.int64)}, "", "map of class numbers; add #person=NUMBER"),
        (lambda x: {"m": tf.cast(x[..., :1] > 0.5, tf.int32)}, "", "map of class numbers; add #person=NUMBER"),
        (lambda x: {"m": tf.cast(tf.cast(x[..., :1] * 5, tf.int32), tf.float32)}, "", "map of class numbers"),
        (lambda x: {"m": tf.cast(x > 0.5, tf.int32)}, "#person=1", "whole numbers in 3 channels"),
        (lambda x: {"m": x[..., :1]}, "#person=3", "#person=3, but there are 1 classes"),
        (lambda x: {"m": 0 * x[..., :1]}, "#scores=logits", "whole numbers, which are not logits; add #person=NUMBER"),
        (lambda x: {"m": tf.round(x[..., 0])}, "#scores=logits&person=1", "whole numbers.*without #scores"),
        (lambda x: {"m": x[..., :1]}, "#scores=sums", "scores must be one of logits, probabilities"),
        (lambda x: {"m": x[..., :1] / 0}, "", "not finite"),
    ],
)
def test_what_is_not_clear_is_asked_for(network, options, fault, tmp_path):
    with pytest.raises(InputError, match=fault):
        open_segmenter(f"saved_model:{save(tmp_path / 'net', network)}{options}")


@pytest.mark.parametrize("shape", [(1, 16, 16, 3), (None, 16, 20, 3), (None, 16, 16)])
def test_networks_that_take_something_else_are_refused(shape, tmp_path):
    with pytest.raises(InputError, match=r"accepts|expected images"):
        open_segmenter(f"saved_model:{save(tmp_path / 'net', lambda x: {'m': x}, shape=shape)}")


def test_what_is_no_saved_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a SavedModel"):
        open_segmenter(f"saved_model:{tmp_path}")
    (tmp_path / "saved_model.pb").write_bytes(b"no")
    with pytest.raises(InputError, match="not a readable SavedModel"):
        open_segmenter(f"saved_model:{tmp_path}")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # tensorflow-hub's pkg_resources
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_handle_of_tensorflow_hub_is_fetched_and_kept(tmp_path, monkeypatch):
    save(tmp_path / "net", lambda x: {"m": x[..., :1]})
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(tmp_path / "net", ".")
    asked: list[str] = []

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(packed.getvalue())

        def log_message(self, *_):
            pass

    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        spec = f"hub:http://127.0.0.1:{server.server_port}/person/1"
        for _ in range(2):
            np.testing.assert_allclose(open_segmenter(spec)(tf.constant(PHOTOS)), RED, atol=1e-6)
        server.shutdown()
    assert asked == ["/person/1?tf-hub-format=compressed"]
    with pytest.raises(InputError, match=r"hub:http://127\.0\.0\.1:1/x: cannot be resolved"):
        open_segmenter("hub:http://127.0.0.1:1/x")
