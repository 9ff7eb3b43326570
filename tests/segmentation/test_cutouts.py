"""``segment apply`` under faults: killed, a full disk, odd names, two at once."""

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_sister.errors import InputError
from keras_sister.segmentation.cutouts import write_cutouts
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.storage.lock import locked


@pytest.fixture
def photos(dataset_folder) -> list[Path]:
    return sorted((dataset_folder / "images").iterdir())[:6]


def preprocessor(masks: Path, background: str = "white") -> Preprocessor:
    return Preprocessor(f"masks:{masks}", size=None, views=("segmented",), background=background)


def pixels(folder: Path) -> dict[str, np.ndarray]:
    return {
        f"{file.parent.name}/{file.name}": np.asarray(Image.open(file)) for file in sorted(folder.glob("*/[!.]*.png"))
    }


def test_a_killed_job_leaves_no_half_file_and_resumes_to_the_same_pixels(dataset_folder, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "cli", "segment", "apply", dataset_folder / "images"]
    command += ["--segmenter", f"masks:{dataset_folder / 'masks'}", "--out", out]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        while not list(out.glob("cutouts/[!.]*.png")) and child.poll() is None:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
    written = pixels(out)  # every file is whole
    (out / "masks" / f".keras-sister-{child.pid}-{socket.gethostname()}-000009.png").write_bytes(b"half")
    files = sorted((dataset_folder / "images").iterdir())
    done = write_cutouts(preprocessor(dataset_folder / "masks"), files, out, resume=True)
    assert done.written + done.resumed == 48
    assert 0 < done.resumed <= len(written)
    assert not list(out.glob("*/.*"))
    write_cutouts(preprocessor(dataset_folder / "masks"), files, tmp_path / "new")
    expected, found = pixels(tmp_path / "new"), pixels(out)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


def test_what_changed_is_made_anew_and_settings_never_mix(dataset_folder, photos, tmp_path):
    mine = [tmp_path / photo.name for photo in photos]
    for photo, copy in zip(photos, mine, strict=True):
        shutil.copyfile(photo, copy)
    maker, out = preprocessor(dataset_folder / "masks"), tmp_path / "out"
    write_cutouts(maker, mine[:4], out)
    with pytest.raises(InputError, match="already exists; add --resume"):
        write_cutouts(maker, mine, out)
    os.utime(mine[1], (time.time() + 9, time.time() + 9))
    done = write_cutouts(maker, mine, out, resume=True)
    assert (done.written, done.resumed) == (3, 3)
    with pytest.raises(InputError, match="another segmenter, background or edges"):
        write_cutouts(preprocessor(dataset_folder / "masks", "black"), mine, out, resume=True)


def test_names_of_any_bytes_and_a_bad_photo(dataset_folder, photos, tmp_path):
    name = os.fsdecode(b"caf\xe9 \n" + b"x" * 230)
    (tmp_path / "masks").mkdir()
    shutil.copy(dataset_folder / "masks" / "000001.png", tmp_path / "masks" / f"{name}.png")
    shutil.copy(photos[0], tmp_path / f"{name}.jpg")
    (tmp_path / "bad.jpg").write_bytes(photos[1].read_bytes()[:500])
    files = [tmp_path / "bad.jpg", tmp_path / f"{name}.jpg"]
    done = write_cutouts(preprocessor(tmp_path / "masks"), files, tmp_path / "out")
    assert (done.written, len(done.errors)) == (1, 1)
    assert "bad.jpg" in done.errors[0]
    assert (tmp_path / "out" / "cutouts" / f"{name}.png").exists()


def test_a_full_disk_is_one_line_with_the_file_and_the_way_out(dataset_folder, photos, tmp_path):
    maker, out = preprocessor(dataset_folder / "masks"), tmp_path / "out"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, limits[1]))
    try:
        with pytest.raises(InputError, match=r"out/cutouts/000001.png: File too large.*--resume continues"):
            write_cutouts(maker, photos, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list((out / "cutouts").iterdir())
    assert write_cutouts(maker, photos, out, resume=True).written == 6


def test_two_at_once_are_told_apart(dataset_folder, photos, tmp_path):
    with locked(tmp_path), pytest.raises(InputError, match=f"process {os.getpid()} on .* is working in this folder"):
        write_cutouts(preprocessor(dataset_folder / "masks"), photos, tmp_path)
