import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from click.testing import CliRunner

from cli.main import main
from keras_sister.catalogue import tag_catalogue as catalogue
from keras_sister.catalogue.job import Job
from keras_sister.catalogue.listed_photo import listed
from keras_sister.catalogue.local_engine import LocalEngine
from keras_sister.catalogue.sources import list_photos
from keras_sister.catalogue.tag_catalogue import tag_catalogue
from keras_sister.errors import InputError

COLUMNS = [
    "photo",
    "tags",
    "not_sure",
    "person_share",
    "error",
    "collar",
    "neckline=v_shape",
    "neckline=round",
    "neckline=other",
    "gender=female",
    "fingerprint",
]
PROBABILITIES = COLUMNS[5:-1]


@pytest.fixture(scope="module")
def engine(sister_export) -> LocalEngine:
    return LocalEngine(Job(sister_export.folder, threshold=0.4, batch_size=2))


@pytest.fixture(scope="module")
def signature(sister_export) -> Callable[..., dict[str, tf.Tensor]]:
    """The export's own answers."""
    loaded = tf.saved_model.load(str(sister_export.folder))
    return lambda image_bytes: loaded.signatures["serving_default"](image_bytes=image_bytes)


@pytest.fixture
def asked(photos, tmp_path) -> list[str]:
    """Good ones, a broken one and one that is missing."""
    (tmp_path / "broken.jpg").write_bytes(photos[0].read_bytes()[:200])
    return [str(photos[0]), str(tmp_path / "none.jpg"), *map(str, photos[1:]), str(tmp_path / "broken.jpg")]


def read(file: Path) -> list[dict]:
    """Rows as JSON lines have them."""
    if file.suffix == ".parquet":
        return pq.read_table(file).to_pylist()
    if file.suffix == ".jsonl":
        return [json.loads(line) for line in file.read_text().splitlines()]
    with file.open(newline="") as contents:
        rows = []
        for row in csv.DictReader(contents):
            numbers = {
                name: float(text) if text else None
                for name, text in row.items()
                if name in ("person_share", *PROBABILITIES)
            }
            texts = {name: row[name] or None for name in ("error", "fingerprint")}
            lists = {name: row[name].split(";") if row[name] else [] for name in ("tags", "not_sure")}
            rows.append({**row, **numbers, **texts, **lists})
        return rows


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("part", [512, 3])
def test_a_row_for_every_photo_with_what_the_export_says(engine, signature, asked, tmp_path, kind, part, monkeypatch):
    monkeypatch.setattr(catalogue, "PART_SIZE", part)
    out, shown = tmp_path / f"tags.{kind}", []
    done = tag_catalogue(engine, iter(asked), out, on_photos=shown.append)
    assert (done.photos, done.errors, sum(shown)) == (7, 2, 7)
    assert not (tmp_path / f"tags.{kind}.parts").exists()
    rows = read(out)
    assert [row["photo"] for row in rows] == asked
    for row in rows:
        assert list(row) == COLUMNS
        path = Path(row["photo"])
        if path.name in ("none.jpg", "broken.jpg"):
            assert ("No such file" if path.name == "none.jpg" else "a truncated JPEG") in row["error"]
            assert row["tags"] == []
            assert all(row[name] is None for name in PROBABILITIES)
            continue
        expected = signature(image_bytes=tf.constant([path.read_bytes()]))
        neckline = expected["neckline"].numpy()[0]
        values = [float(expected["collar"][0]), *neckline, float(expected["gender"][0])]
        np.testing.assert_allclose([row[name] for name in PROBABILITIES], values, atol=1e-5)
        assert row["person_share"] == pytest.approx(float(expected["person_share"][0]), abs=1e-5)
        tags = [name for name, value in (("collar", values[0]),) if value >= 0.4]
        tags += [f"neckline={['v_shape', 'round', 'other'][neckline.argmax()]}"] if neckline.max() >= 0.4 else []
        best = max(values[-1], 1 - values[-1])
        assert row["tags"] == tags + ([f"gender={'female' if values[-1] >= 0.5 else 'male'}"] if best >= 0.4 else [])


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_a_name_with_bytes_that_are_no_utf_8(sister_export, photos, tmp_path, kind):
    name = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    shutil.copy(photos[0], os.fsdecode(name))
    out = tmp_path / f"tags.{kind}"
    result = CliRunner().invoke(main, ["tag", str(sister_export.folder), "-", "--out", str(out)], input=name + b"\n")
    assert result.exit_code == 0, result.output
    (row,) = read(out)
    assert (row["photo"], row["error"]) == (f"{tmp_path}/caf\\xe9.jpg", None)


@pytest.mark.slow
def test_killed_and_gone_on_with_no_row_is_missing_or_there_twice(sister_export, photos, tmp_path):
    """The command itself, killed by SIGKILL when it has written some parts."""
    (tmp_path / "photos").mkdir()
    for i in range(1100):
        os.link(photos[i % len(photos)], tmp_path / "photos" / f"{i:05d}{photos[i % len(photos)].suffix}")
    arguments = ["tag", *map(str, (sister_export.folder, tmp_path / "photos")), "--out", str(tmp_path / "t.csv")]
    command = [sys.executable, "-m", "cli", *arguments]
    parts = tmp_path / "t.csv.parts"
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        while not (parts / "000000.json").exists() and child.poll() is None:
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert not (tmp_path / "t.csv").exists()
    before = (parts / "000000.csv").stat().st_mtime_ns
    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == 1
    assert "--resume" in refused.stderr
    assert (parts / "000000.csv").stat().st_mtime_ns == before
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1,100 photos, 0 could not be read" in done.stdout
    names = [Path(row["photo"]).name for row in read(tmp_path / "t.csv")]
    assert names == sorted(path.name for path in (tmp_path / "photos").iterdir())


def test_a_job_is_not_gone_on_with_otherwise(engine, asked, tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "PART_SIZE", 2)
    out, shown = tmp_path / "tags.jsonl", []

    def stop(photos: int) -> None:
        shown.append(photos)
        if sum(shown) > 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tag_catalogue(engine, asked, out, on_photos=stop)
    monkeypatch.setattr(engine, "job", replace(engine.job, threshold=0.7))
    with pytest.raises(InputError, match="another export, threshold, runtime"):
        tag_catalogue(engine, asked, out, resume=True)
    monkeypatch.undo()
    monkeypatch.setattr(catalogue, "PART_SIZE", 2)
    with pytest.raises(InputError, match=r"000000\.jsonl: was made from other photos"):
        tag_catalogue(engine, asked[1:], out, resume=True)
    shown = []
    assert tag_catalogue(engine, asked, out, resume=True, on_photos=shown.append).photos == 7
    assert sum(shown) == 7
    with pytest.raises(InputError, match=r"tags\.jsonl: already exists"):
        tag_catalogue(engine, asked, out)
    with pytest.raises(InputError, match=r"suffix \.parquet, \.csv or \.jsonl"):
        tag_catalogue(engine, asked, tmp_path / "tags.xls")
    with pytest.raises(InputError, match="No photos"):
        tag_catalogue(engine, [], tmp_path / "none.csv")
    assert not list(tmp_path.glob("none*"))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_job_that_was_complete_resumes_to_the_same_table_or_is_refused(engine, asked, tmp_path, kind, monkeypatch):
    """Killed after its table was there: whoever starts it again with --resume gets what it made."""
    monkeypatch.setattr(catalogue, "PART_SIZE", 3)
    copies = [shutil.copy(photo, tmp_path) for photo in (asked[0], *asked[2:5])]
    photos, out = [*copies, str(tmp_path / "none.jpg"), listed("")], tmp_path / f"tags.{kind}"
    first, before = tag_catalogue(engine, photos, out), out.read_bytes()
    for left in (False, True):
        if left:  # the folder of parts, when it was to be removed
            (tmp_path / f"{out.name}.parts").mkdir()
            (tmp_path / f"{out.name}.parts" / ".lock").touch()
        done = tag_catalogue(engine, photos, out, resume=True)
        assert (done.photos, done.errors, done.reasons, done.resumed) == (6, first.errors, first.reasons, 6)
        assert not (tmp_path / f"{out.name}.parts").exists()
    other_threshold = LocalEngine(replace(engine.job, threshold=0.9))
    with pytest.raises(InputError, match="complete, but of other photos"):
        tag_catalogue(other_threshold, photos, out, resume=True)
    for others in (photos[:5], photos[:3], photos[::-1], [*photos, copies[0]]):
        with pytest.raises(InputError, match="complete, but of other photos"):
            tag_catalogue(engine, others, out, resume=True)
    Path(copies[0]).write_bytes(Path(copies[1]).read_bytes())
    with pytest.raises(InputError, match="complete, but of other photos"):
        tag_catalogue(engine, photos, out, resume=True)
    assert out.read_bytes() == before
    assert not (tmp_path / f"{out.name}.parts").exists()


def test_only_a_few_parts_are_in_memory(engine, asked, tmp_path, monkeypatch):
    """The paths are asked for as they are needed, so that there may be any number."""
    monkeypatch.setattr(catalogue, "PART_SIZE", 4)
    taken, ahead = 0, []

    def paths():
        nonlocal taken
        for _ in range(80):
            taken += 1
            yield asked[0]

    done = 0

    def note(photos: int) -> None:
        nonlocal done
        done += photos
        ahead.append(taken - done)

    tag_catalogue(engine, paths(), tmp_path / "tags.csv", on_photos=note)
    assert done == 80
    assert max(ahead) <= 4 * 4


def test_photos_are_found_by_folder_pattern_column_and_standard_input(photos, tmp_path):
    folder = tmp_path / "shop"
    (folder / "women").mkdir(parents=True)
    for place in ("b.jpg", "a.JPEG", "women/c.png", ".hidden.jpg"):
        shutil.copy(photos[0], folder / place)
    (folder / "notes.txt").write_text("no photo")
    (folder / "list.csv").write_text("id,photo,photo:2\n1,b.jpg,a.JPEG\n2,women/c.png,\n3,,\n")

    def found(*sources: str, stdin: str = "") -> list[str]:
        listed = list_photos(sources, stdin=io.BytesIO(stdin.encode()))
        return [os.path.relpath(photo.path, folder) for photo in listed if not photo.error]

    assert found(str(folder)) == ["a.JPEG", "b.jpg", "women/c.png"]
    assert found(str(folder / "**" / "*.jp*g")) == ["b.jpg"]
    assert found(f"{folder / 'list.csv'}:photo") == ["b.jpg", "women/c.png"]
    assert found(f"{folder / 'list.csv'}:photo:2") == ["a.JPEG"]
    assert found(str(folder / "[wb]*")) == ["b.jpg"]  # a folder that fits is not a photo
    assert found("-", stdin=f"\ufeff{folder}/b.jpg\r\n") == ["b.jpg"]
    assert found("-", str(folder / "x.jpg"), stdin=f"{folder}/b.jpg\n\n{folder}/y.jpg\n") == ["b.jpg", "y.jpg", "x.jpg"]
    (folder / "women" / "all").symlink_to(folder)  # would lead round in circles
    (folder / "women" / "lost.jpg").symlink_to("nowhere")
    assert found(str(folder)) == ["a.JPEG", "b.jpg", "women/c.png", "women/lost.jpg"]
    for source, fault in {
        "": "'': no JPEG, PNG or WebP found",
        str(folder / "*.gif"): "no JPEG, PNG or WebP found",
        str(folder / "shoes"): "no such file or folder",
        str(folder / "list.csv"): r"add the column .*list\.csv:COLUMN",
        f"{folder / 'list.csv'}:path": "no column 'path'; found id, photo, photo:2",
        f"{folder / 'none.csv'}:path": r"none\.csv: not a readable CSV file",
    }.items():
        with pytest.raises(InputError, match=fault):
            list_photos([str(folder), source], stdin=io.BytesIO())  # before the first is asked for
    assert found(str(folder / "none.jpg")) == ["none.jpg"]  # will be a row that says so


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_that_is_none(threshold):
    with pytest.raises(InputError, match="threshold must be from 0 to 1"):
        Job(Path("model"), threshold)


def test_an_interrupted_job_says_how_to_go_on(sister_export, photos, tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalEngine, "tag", interrupted)
    arguments = ["tag", str(sister_export.folder), str(photos[0]), "--out", str(tmp_path / "t.csv")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 130
    assert "continue with --resume" in result.stderr
