"""The importer, on a file in the structure of MatConvNet's, and a NumPy run of the network that it describes."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import scipy.io
from scipy.signal import correlate2d
from scipy.special import softmax

from keras_sister.errors import InputError
from keras_sister.segmentation.importers.matconvnet import import_fcn8s
from keras_sister.segmentation.segmenters.network import voc_segmenter

CHANNELS = (2, 3, 2, 3, 2)
"""Of the five blocks, instead of VGG16's 64 to 512, so that NumPy can follow."""

UNITS = 4
MEAN = (120.5, 110.25, 100.0)


def parameters(classes: int = 21) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes, channels = {}, 3
    for block, (filters, convolutions) in enumerate(zip(CHANNELS, (2, 2, 3, 3, 3), strict=True), start=1):
        for i in range(1, convolutions + 1):
            shapes[f"conv{block}_{i}"] = (3, 3, channels, filters)
            channels = filters
    shapes |= {"fc6": (7, 7, channels, UNITS), "fc7": (1, 1, UNITS, UNITS), "score_fr": (1, 1, UNITS, classes)}
    shapes |= {"score_pool4": (1, 1, CHANNELS[3], classes), "score_pool3": (1, 1, CHANNELS[2], classes)}
    found = {}
    for name, shape in shapes.items():
        scale = 1.5 / np.sqrt(np.prod(shape[:3]))
        found[f"{name}f"] = (rng.normal(size=shape) * scale).astype(np.float32)
        found[f"{name}b"] = rng.normal(size=(1, shape[3])).astype(np.float32)
    for name, size in {"score2": 4, "score4": 4, "upscore": 16}.items():
        found[f"{name}f"] = (rng.normal(size=(size, size, classes, classes)) * 0.1).astype(np.float32)
    return found


def write(file: Path, params: dict[str, np.ndarray], pad: int = 100) -> Path:
    def structs(rows: list[dict[str, Any]]) -> np.ndarray:
        array = np.empty((1, len(rows)), [(name, object) for name in rows[0]])
        for i, row in enumerate(rows):
            for name, value in row.items():
                array[0, i][name] = value
        return array

    content = {
        "params": structs(
            [{"name": n, "value": v, "learningRate": 1.0, "weightDecay": 1.0} for n, v in params.items()]
        ),
        "layers": structs([{"name": "conv1_1", "type": "dagnn.Conv", "block": {"pad": np.full((1, 4), pad)}}]),
        "meta": {"normalization": {"averageImage": np.array(MEAN, np.float32).reshape(1, 1, 3)}},
    }
    scipy.io.savemat(file, content, do_compression=True)
    return file


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    params = parameters()
    file = write(tmp_path_factory.mktemp("matconvnet") / "pascal-fcn8s-dag.mat", params)
    return params, voc_segmenter(import_fcn8s(file), size=33)


def convolved(x: np.ndarray, filters: np.ndarray, bias: np.ndarray) -> np.ndarray:
    maps = [
        sum(correlate2d(x[..., i], filters[..., i, o], "valid") for i in range(x.shape[2]))
        for o in range(filters.shape[3])
    ]
    return np.stack(maps, axis=-1) + bias.ravel()


def pooled(x: np.ndarray) -> np.ndarray:
    """2 × 2 maxima; an odd row or column at the end stands alone, as in Caffe."""
    height, width, channels = x.shape
    padded = np.full((height + height % 2, width + width % 2, channels), -np.inf)
    padded[:height, :width] = x
    return padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2, channels).max(axis=(1, 3))


def upsampled(x: np.ndarray, filters: np.ndarray, stride: int) -> np.ndarray:
    """The transpose of a convolution, pixel by pixel."""
    height, width, _ = x.shape
    size = filters.shape[0]
    out = np.zeros((stride * (height - 1) + size, stride * (width - 1) + size, filters.shape[2]))
    for row in range(height):
        for column in range(width):
            stamp = np.einsum("abox,x->abo", filters, x[row, column])
            out[row * stride : row * stride + size, column * stride : column * stride + size] += stamp
    return out


def run(photo: np.ndarray, p: dict[str, np.ndarray]) -> np.ndarray:
    """The published network, spelled out in NumPy."""
    x = np.pad(photo - np.array(MEAN), ((100, 100), (100, 100), (0, 0)))
    pools = []
    for block, convolutions in enumerate((2, 2, 3, 3, 3), start=1):
        for i in range(1, convolutions + 1):
            if (block, i) != (1, 1):
                x = np.pad(x, ((1, 1), (1, 1), (0, 0)))
            x = np.maximum(convolved(x, p[f"conv{block}_{i}f"], p[f"conv{block}_{i}b"]), 0)
        x = pooled(x)
        pools.append(x)
    for name in ("fc6", "fc7"):
        x = np.maximum(convolved(x, p[f"{name}f"], p[f"{name}b"]), 0)
    scores = convolved(x, p["score_frf"], p["score_frb"])
    for pool, name, up, crop in ((pools[3], "score_pool4", "score2", 5), (pools[2], "score_pool3", "score4", 9)):
        scores = upsampled(scores, p[f"{up}f"], 2)
        finer = convolved(pool, p[f"{name}f"], p[f"{name}b"])
        scores = scores + finer[crop : crop + scores.shape[0], crop : crop + scores.shape[1]]
    scores = upsampled(scores, p["upscoref"], 8)
    return scores[31 : 31 + photo.shape[0], 31 : 31 + photo.shape[1]]


@pytest.mark.parametrize(("height", "width"), [(33, 33), (40, 21)])
def test_it_computes_what_the_published_network_computes(imported, height, width):
    params, segmenter = imported
    photo = np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.float32)
    expected = run(photo, params)
    found = segmenter.model(photo[None]).numpy()[0]
    assert found.shape == expected.shape == (height, width, 21)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_person_is_class_15(imported):
    _, segmenter = imported
    photo = np.random.default_rng(1).integers(0, 256, (1, 33, 33, 3)).astype(np.float32)
    logits = segmenter.model(photo).numpy()
    expected = softmax(logits, axis=-1)[..., 15]
    np.testing.assert_allclose(segmenter(photo)[..., 0], expected, rtol=1e-4, atol=1e-6)
    assert segmenter.classes[15] == "person"
    assert segmenter.size == 33


def test_the_other_names_and_grouped_filters_are_understood(imported, tmp_path):
    params, segmenter = imported
    renamed = {}
    for name, value in params.items():
        stem, ending = name[:-1], name[-1]
        renamed[stem + {"f": "_filter", "b": "_bias"}[ending]] = value
    grouped = renamed.pop("upscore_filter")[:, :, :1]
    renamed["upsample_filter"] = grouped
    renamed["upsample_bias"] = np.arange(21, dtype=np.float32)[None]
    again = voc_segmenter(import_fcn8s(write(tmp_path / "other.mat", renamed)), size=33)
    photo = np.random.default_rng(1).integers(0, 256, (1, 33, 33, 3)).astype(np.float32)
    layer = again.model.get_layer("upscore8")
    np.testing.assert_array_equal(layer.kernel, grouped * np.eye(21))
    np.testing.assert_array_equal(layer.bias, np.arange(21))
    ours, theirs = (
        keras.Model(found.model.input, found.model.get_layer("fuse_pool3").output)(photo)
        for found in (again, segmenter)
    )
    np.testing.assert_array_equal(ours, theirs)


def without(params: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    return {key: value for key, value in params.items() if key != name}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda p: without(p, "conv3_2f"), "no filters of conv3_2"),
        (lambda p: without(p, "fc6f"), "no filters of fc6"),
        (lambda p: without(p, "score4f"), "no filters of score4"),
        (lambda p: p | {"conv9f": np.ones((3, 3))}, "conv9f belongs to no layer"),
        (lambda p: p | {"conv2_1b": np.ones((1, 7))}, "conv2_1b is 7, not 3"),
        (lambda p: p | {"score_frf": p["score_frf"][..., :5]}, "score_frf is 1 × 1 × 4 × 5, not 1 × 1 × 4 × 21"),
        (lambda p: p | {"fc7b": np.full((1, UNITS), np.nan)}, "fc7b has values that are not finite"),
    ],
)
def test_no_layer_is_left_silently_unset(imported, tmp_path, change, fault):
    with pytest.raises(InputError, match=fault):
        voc_segmenter(import_fcn8s(write(tmp_path / "net.mat", change(imported[0]))), size=33)


def test_files_that_are_none(imported, tmp_path):
    with pytest.raises(InputError, match=r"none\.mat: no such file"):
        voc_segmenter(import_fcn8s(tmp_path / "none.mat"), size=33)
    (tmp_path / "text.mat").write_text("no network")
    with pytest.raises(InputError, match=r"text\.mat: not a MatConvNet network"):
        voc_segmenter(import_fcn8s(tmp_path / "text.mat"), size=33)
    scipy.io.savemat(tmp_path / "labels.mat", {"GT": np.ones(3)})
    with pytest.raises(InputError, match=r"labels\.mat: not a MatConvNet network"):
        voc_segmenter(import_fcn8s(tmp_path / "labels.mat"), size=33)
    whole = write(tmp_path / "half.mat", imported[0])
    whole.write_bytes(whole.read_bytes()[:4000])
    with pytest.raises(InputError, match=r"half\.mat: not a MatConvNet network"):
        voc_segmenter(import_fcn8s(whole), size=33)
    with pytest.raises(InputError, match="another layout: padding of 1 pixels"):
        voc_segmenter(import_fcn8s(write(tmp_path / "tvg.mat", imported[0], pad=1)), size=33)
