import io
import itertools
import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_sister import images
from keras_sister.data import view_store
from keras_sister.data.blocks import BLOCK, write_block
from keras_sister.data.view_store import ViewStore
from keras_sister.errors import InputError
from keras_sister.photo_files import UnreadablePhotosError, content_hash
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.storage.leftovers import aside_prefix

from .filling import fill, fill_with_small_files, person, serve


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{i:06d}.jpg" for i in range(BLOCK + 6)]
    for path in paths:
        small = rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)
        Image.fromarray(small).resize((48, 64), Image.Resampling.BILINEAR).save(path)
    return paths


def blocks(store: ViewStore) -> list[Path]:
    return sorted(store.folder.glob("[!.]*"))


def stored(store: ViewStore) -> list[str]:
    return [key for block in blocks(store) for key in json.loads((block / "index.json").read_text())["keys"]]


def test_views_are_the_decoded_and_resized_photos_with_their_masks(photos):
    store = ViewStore(32, person().fingerprint)
    views = store.open(store.fill(photos, person()))
    assert len(views) == len(photos)
    rows = [BLOCK + 2, 0, 5]
    for row, photo, mask in zip(rows, views.photos(rows), views.masks(rows), strict=True):
        expected = images.resize(images.decode(photos[row].read_bytes()), 32).numpy()
        np.testing.assert_array_equal(photo, expected)
        np.testing.assert_array_equal(mask, expected[..., :1])


def test_the_segmenter_gets_the_photo_at_the_size_it_wants(photos):
    store = ViewStore(32, person().fingerprint)
    views = store.open(store.fill(photos[:3], person(size=60)))
    for row in range(3):
        seen = images.resize(images.decode(photos[row].read_bytes()), 60).numpy()[..., :1] / np.float32(255)
        expected = tf.round(255 * tf.image.resize(seen, (32, 32), antialias=True)).numpy()
        expected[expected == 1] = 0  # a mask of 0 and 1 would be taken for one of booleans
        np.testing.assert_array_equal(views.masks([row])[0], expected)


def test_every_photo_is_made_exactly_once(photos):
    store = ViewStore(32, person().fingerprint)
    told: list[dict] = []
    keys = store.fill(photos, person(), on_event=told.append)
    assert [event["photos"] for event in told] == [0, BLOCK, len(photos)]
    assert store.fill(photos, person()) == keys
    assert store.fill([*photos[3:], photos[0]], person()) == [*keys[3:], keys[0]]
    assert sorted(stored(store)) == sorted(keys)


def test_a_changed_photo_is_noticed(photos):
    store = ViewStore(32, None)
    before = store.fill(photos[:4], Preprocessor(None, size=32, views=("photo",)))
    Image.new("RGB", (40, 40), "red").save(photos[2])
    after = store.fill(photos[:4], Preprocessor(None, size=32, views=("photo",)))
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False, True]
    assert np.abs(store.open(after).photos([2])[0].astype(int) - [254, 0, 0]).max() <= 1


def test_stores_of_other_sizes_and_segmenters_lie_elsewhere():
    folders = {ViewStore(*key).folder for key in ((32, "red"), (64, "red"), (32, "blue"), (32, None))}
    assert len(folders) == 4


def test_a_broken_photo_is_named_and_what_was_made_stays(photos):
    store = ViewStore(32, None)
    broken = photos[BLOCK + 1]
    broken.write_bytes(broken.read_bytes()[:-40])  # its head is whole
    with pytest.raises(InputError, match=f"{broken.name}: a truncated JPEG"):
        store.fill(photos, Preprocessor(None, size=32, views=("photo",)))
    assert len(stored(store)) == len(photos) - 1


def test_all_broken_photos_are_named_at_once(photos):
    photos[3].write_bytes(b"GIF89a")
    photos[5].write_bytes(photos[5].read_bytes()[:-40])
    photos[7].unlink()
    photos[8].write_bytes(photos[5].read_bytes())
    store = ViewStore(32, None)
    preprocessor = Preprocessor(None, size=32, views=("photo",))
    with pytest.raises(UnreadablePhotosError) as raised:
        store.fill(photos, preprocessor)
    assert list(raised.value.reasons) == [3, 5, 7, 8]
    lines = str(raised.value).splitlines()
    assert lines[0] == f"4 of {len(photos)} photos cannot be read:"
    for line, reason in zip(lines[1:], ("a GIF", "a truncated JPEG", "No such file", "a truncated JPEG"), strict=True):
        assert reason in line
    good = [photo for row, photo in enumerate(photos) if row not in (3, 5, 7, 8)]
    views = store.open(store.fill(good, preprocessor))
    for row in (0, 4, len(good) - 1):
        expected = images.resize(images.decode(good[row].read_bytes()), 32)
        np.testing.assert_array_equal(views.photos([row])[0], expected)


def test_photos_are_stored_upright_and_masks_are_theirs(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)).resize((48, 64))
    stored_rotated = small.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    small.save(tmp_path / "upright.png")
    stored_rotated.save(tmp_path / "rotated.png", exif=exif)
    store = ViewStore(32, person().fingerprint)
    views = store.open(store.fill([tmp_path / "upright.png", tmp_path / "rotated.png"], person()))
    for read in (views.photos, views.masks):
        upright, rotated = read([0, 1]).astype(int)
        assert np.abs(upright - rotated).max() <= 1
    before = store.folder
    monkeypatch.setattr(view_store, "PIXELS_VERSION", view_store.PIXELS_VERSION + 1)
    assert ViewStore(32, person().fingerprint).folder != before  # views of other versions never mix


def test_files_that_are_no_photos_are_named(tmp_path):
    gif = io.BytesIO()
    Image.new("RGB", (8, 8)).save(gif, "GIF")
    for name, contents in {"text.jpg": b"hello", "empty.jpg": b"", "gif.jpg": gif.getvalue()}.items():
        (tmp_path / name).write_bytes(contents)
        with pytest.raises(InputError, match=name):
            content_hash(tmp_path / name)
    with pytest.raises(InputError, match=r"none\.jpg: No such file"):
        content_hash(tmp_path / "none.jpg")


def test_a_photo_that_claims_too_many_pixels_is_refused_before_it_is_decoded(tmp_path):
    Image.new("1", (11_000, 10_000)).save(tmp_path / "huge.png")
    with pytest.raises(InputError, match=r"huge\.png: more than 89,478,485 pixels"):
        content_hash(tmp_path / "huge.png")


def test_an_unfinished_block_is_not_read(photos):
    store = ViewStore(32, None)
    (store.folder / ".half").mkdir(parents=True)
    (store.folder / ".half" / "index.json").write_text(json.dumps({"keys": [content_hash(photos[0])]}))
    keys = store.fill(photos[:2], Preprocessor(None, size=32, views=("photo",)))
    assert sorted(stored(store)) == sorted(keys)


def test_views_that_are_gone_are_told(photos):
    store = ViewStore(32, None)
    with pytest.raises(InputError, match="1 view pairs are missing"):
        store.open(["0" * 64])


def test_a_store_without_masks_has_none(photos):
    store = ViewStore(32, None)
    views = store.open(store.fill(photos[:2], Preprocessor(None, size=32, views=("photo",))))
    assert not views.has_masks
    with pytest.raises(ValueError, match="without a segmenter"):
        views.masks([0])


@dataclass
class Child:
    """A process that does what it is sent (`serve`)."""

    process: SpawnProcess
    connection: Connection

    def receive(self) -> Any:
        assert self.connection.poll(120)
        return self.connection.recv()


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    """One for all tests that need one, since it takes seconds to start; the last of them ends it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,))
    process.start()
    theirs.close()  # so that the end of the process is the end of the connection
    child = Child(process, ours)
    try:
        assert child.receive() == "ready"
        yield child
    finally:
        process.kill()
        process.join()


def test_two_processes_fill_one_store_at_once(photos, child, tmp_path):
    child.connection.send((fill, photos, tmp_path))
    second = fill(photos[::-1], tmp_path)
    first = child.receive()
    assert first == second[::-1]
    views = ViewStore(32, person().fingerprint, cache=tmp_path).open(first)
    expected = images.resize(images.decode(photos[3].read_bytes()), 32)
    np.testing.assert_array_equal(views.photos([3])[0], expected)


def test_a_damaged_block_is_dropped_and_made_again(photos, tmp_path):
    """Each file of a block, each damaged in four ways, all in one store."""
    names, damages = ("photos.npy", "masks.npy", "index.json"), ("flipped", "truncated", "emptied", "gone")
    photos = photos[: len(names) * len(damages) + 1]
    whole = ViewStore(32, person().fingerprint, cache=tmp_path / "whole")
    keys, rows = whole.fill(photos, person()), range(len(photos))
    expected = whole.open(keys).photos(rows), whole.open(keys).masks(rows)

    store = ViewStore(32, person().fingerprint)
    store.folder.mkdir(parents=True)
    files = []
    for key, photo, mask in zip(keys, *expected, strict=True):  # a block of its own for each
        write_block(store.folder / key, [key], {"photos": photo[None], "masks": mask[None]})
        files.append(store.folder / key)
    for file, (name, damage) in zip(files, itertools.product(names, damages), strict=False):
        damage_file(file / name, damage)
    events: list[dict] = []
    again = store.open(store.fill(photos, person(), on_event=events.append))
    assert events[0] == {"event": "damaged", "blocks": 12, "folder": str(store.folder)}
    assert events[1]["photos"] == 1  # the last block is whole
    for array, values in zip((again.photos(rows), again.masks(rows)), expected, strict=True):
        np.testing.assert_array_equal(array, values)
    assert [file.exists() for file in files] == [False] * 12 + [True]


def damage_file(file: Path, damage: str) -> None:
    contents = bytearray(file.read_bytes())
    contents[len(contents) // 2] ^= 0x10
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes({"flipped": contents, "truncated": contents[:-9], "emptied": b""}[damage])


def test_a_block_that_was_damaged_after_the_fill_is_not_read(photos):
    store = ViewStore(32, person().fingerprint)
    keys = store.fill(photos[:6], person())
    with (blocks(store)[0] / "photos.npy").open("r+b") as file:
        file.seek(5000)
        file.write(b"damaged")
    with pytest.raises(InputError, match="damaged; run the command again"):
        store.open(keys)


def test_what_a_killed_writer_left_goes_at_the_next_fill(photos):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    store = ViewStore(32, person().fingerprint)
    names = [aside_prefix().replace(str(os.getpid()), str(pid)) + "x" for pid in (gone.pid, os.getppid())]
    for name in names:
        (store.folder / name).mkdir(parents=True)
        (store.folder / name / "photos.npy").write_bytes(b"half")
    store.fill(photos[:2], person())
    assert [file.name for file in store.folder.glob(".*")] == names[1:]


def test_a_block_that_cannot_be_written_ends_the_fill(photos, child, tmp_path):
    many = photos * 6  # so that blocks are in the making
    for number, photo in enumerate(many[len(photos) :]):
        many[len(photos) + number] = photo.with_name(f"{number}-copy.jpg")
        many[len(photos) + number].write_bytes(photo.read_bytes() + bytes([number % 256, number // 256]))
    child.connection.send((fill_with_small_files, many, tmp_path))
    assert child.receive() is None
    child.connection.send(None)
    child.process.join(120)
    assert child.process.exitcode == 0


def test_a_large_store_does_not_hold_more_files_open_than_a_process_may(tmp_path):
    """Each memory-mapped array is an open file, of which many systems allow 1,024."""
    store = ViewStore(4, None, cache=tmp_path)
    store.folder.mkdir(parents=True)
    keys = [f"{number:064x}" for number in range(600)]
    for number, key in enumerate(keys):
        write_block(store.folder / f"{number}", [key], {"photos": np.full((1, 4, 4, 3), number % 256, np.uint8)})
    pairs = store.open(keys)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for start in range(0, 600, 50):
        rows = range(start, start + 50)
        np.testing.assert_array_equal(pairs.photos(rows)[:, 0, 0, 0], np.array(rows) % 256)
    assert len(list(Path("/proc/self/fd").iterdir())) - before < 300
