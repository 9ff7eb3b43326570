"""A pipe, a device or a folder in place of any file that is read: one line at once, never a wait without end."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from keras_sister.backbones import build_backbone
from keras_sister.backbones.pth_reader import read_pth
from keras_sister.client.connect import connect
from keras_sister.config import load_experiment
from keras_sister.data.dataset_file import read_dataset_file
from keras_sister.data.dcsa import read_ground_truth
from keras_sister.data.published.deepfashion import read_deepfashion
from keras_sister.data.segmentation.voc import load_voc, read_mask
from keras_sister.data.tables import read_table
from keras_sister.errors import InputError
from keras_sister.models import load_model
from keras_sister.schema import Schema
from keras_sister.segmentation.importers.tflite import read_tflite
from keras_sister.segmentation.segmenters.selfie import SelfieSegmenter
from keras_sister.storage.reader_process import read_apart

READERS: dict[str, Callable[[Path], object]] = {
    "x.csv": read_table,
    "x.xlsx": read_table,
    "x.jsonl": read_table,
    "x.parquet": read_table,
    "settings.yaml": load_experiment,
    "dataset.yaml": read_dataset_file,
    "schema.json": Schema.load,
    "GT.mat": lambda file: read_apart(read_ground_truth, file),
    "sbd.mat": read_mask,
    "voc.png": read_mask,
    "x.pth": read_pth,
    "x.tflite": lambda file: read_tflite(file, name="x"),
    "selfie.tflite": SelfieSegmenter,
    "x.weights.h5": lambda file: build_backbone("resnet_mini", size=32, weights=file),
    "x.keras": load_model,
    "roots.pem": lambda file: connect("https://localhost:1/v1/models/x", tls_roots=file),
}


@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_is_refused_at_once(tmp_path, name):
    place = tmp_path / name
    os.mkfifo(place)
    places = [place]
    for kind, make in (("folder", Path.mkdir), ("zero", lambda file: file.symlink_to("/dev/zero"))):
        (tmp_path / kind).mkdir()
        make(tmp_path / kind / name)
        places.append(tmp_path / kind / name)
    places.append(tmp_path / "absent" / name)
    for place in places:
        with pytest.raises(InputError) as refused:
            READERS[name](place)
        assert str(place) in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["x.csv", "settings.yaml", "schema.json", "x.pth", "x.tflite"])
def test_a_file_that_would_fill_the_memory_is_not_read(tmp_path, name):
    with (tmp_path / name).open("wb") as file:
        file.truncate(50_000_000_000)  # takes no space on the disk
    with pytest.raises(InputError, match="50,000,000,000 bytes; a file of this kind has at most"):
        READERS[name](tmp_path / name)


def test_a_list_of_photos_that_is_a_pipe(tmp_path):
    for name in ("Eval/list_eval_partition.txt", "Anno/list_attr_cloth.txt", "ImageSets/Segmentation/train.txt"):
        (tmp_path / name).parent.mkdir(parents=True)
        os.mkfifo(tmp_path / name)
    for read in (read_deepfashion, load_voc):
        with pytest.raises(InputError):
            read(tmp_path)
