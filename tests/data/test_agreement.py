"""``data check`` and everything that reads photos accept the same files: damaged ones, and what is no photo file."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from keras_sister.data.check import check_dataset
from keras_sister.data.view_store import ViewStore
from keras_sister.errors import InputError
from keras_sister.images import decode
from keras_sister.photo_files import UnreadablePhotosError
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.serving.tagger import Tagger

from ..odd_photos import odd_photos, whole_photos

DAMAGED = 160
NO_FILES = ("fifo.jpg", "folder.png", "dead.webp", "device.jpg", "huge.jpg")


@pytest.fixture(scope="module")
def dataset_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    names = []
    for name, contents in odd_photos(DAMAGED, seed=1):
        (folder / name).write_bytes(contents)
        names.append(name)
    os.mkfifo(folder / "fifo.jpg")
    (folder / "folder.png").mkdir()
    (folder / "dead.webp").symlink_to("nowhere")
    (folder / "device.jpg").symlink_to("/dev/zero")
    with (folder / "huge.jpg").open("wb") as huge:
        huge.truncate(5_000_000_000)
    rows = "".join(f"{name},{number % 2}\n" for number, name in enumerate([*names, *NO_FILES]))
    (folder / "t.csv").write_text(f"image,scarf\n{rows}")
    (folder / "d.yaml").write_text("table: t.csv\nphoto: image\nattributes: {scarf: ['0', '1']}")
    return folder / "d.yaml"


@pytest.fixture(scope="module")
def refused(dataset_file: Path) -> set[str]:
    """The photos that ``data check`` calls a problem."""
    problems = check_dataset(dataset_file).problems
    assert all("\n" not in problem and len(problem) < 300 + len(str(dataset_file)) for problem in problems)
    photos = [photo.name for photo in open_photos(dataset_file)]
    return {name for problem in problems for name in photos if re.search(rf"/{re.escape(name)}\b", problem)}


def open_photos(dataset_file: Path) -> list[Path]:
    listed = (dataset_file.parent / "t.csv").read_text().splitlines()[1:]
    return [dataset_file.parent / line.partition(",")[0] for line in listed]


def test_whole_photos_are_accepted_and_no_files_refused(refused):
    assert set(NO_FILES) <= refused
    assert whole_photos().keys() & refused == {"moving.webp"}
    assert 0.4 < len(refused) / DAMAGED < 0.9


def test_cross_validation_reads_what_data_check_accepts(dataset_file, refused):
    photos = open_photos(dataset_file)
    with pytest.raises(UnreadablePhotosError) as told:
        ViewStore(16, None).fill(photos, Preprocessor(None, size=16, views=("photo",)))
    assert {photos[row].name for row in told.value.reasons} == refused


def test_tag_tags_what_data_check_accepts(baseline_export, dataset_file, refused):
    photos = open_photos(dataset_file)
    tagged = Tagger(baseline_export.folder).tag(photos, batch_size=64)
    assert {photo.name for photo, tags in zip(photos, tagged, strict=True) if tags.error} == refused


def test_segment_and_explain_read_what_data_check_accepts(dataset_file, refused):
    preprocessor, failed = Preprocessor(None, size=16, views=("photo",)), set()
    for photo in open_photos(dataset_file):
        try:
            preprocessor.pair_of(photo)
        except InputError:
            failed.add(photo.name)
    assert failed == refused


def test_what_is_accepted_decodes_to_the_same_pixels_every_time(dataset_file, refused):
    """Also where data are missing: nothing depends on what was in memory."""
    accepted = [photo for photo in open_photos(dataset_file) if photo.name not in refused]
    for photo in accepted[::2]:
        contents = tf.constant(photo.read_bytes())
        np.testing.assert_array_equal(decode(contents), decode(contents))
