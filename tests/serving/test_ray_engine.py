"""A cluster of this machine alone: real Ray, real actors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def tag(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", "tag", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **environment}  # from any folder, in any worker
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture
def catalogue(photos, tmp_path):
    """1,100 photos, three parts; one of them broken; and a list with one more, by a way that a link's ".." takes."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(1100):
        os.link(photos[i % len(photos)], folder / f"{i:04d}{photos[i % len(photos)].suffix}")
    (folder / "0700.jpg").unlink()
    (folder / "0700.jpg").write_bytes(photos[0].read_bytes()[:200])
    (tmp_path / "elsewhere" / "here").mkdir(parents=True)
    os.link(photos[0], tmp_path / "elsewhere" / "up.jpg")
    (tmp_path / "link").symlink_to("elsewhere/here")
    (folder / "list.csv").write_text("photo\n../link/../up.jpg\n")
    return folder


def test_a_cluster_writes_the_very_table_that_one_machine_writes(sister_export, catalogue, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the photos' paths are relative, and so are those in the table
    sources = ("photos", "photos/list.csv:photo")
    local = tag(sister_export.folder, *sources, "--out", "local.csv")
    assert local.returncode == 0, local.stderr
    assert "1101 photos, 1 of them could not be read" in local.stdout
    ray = tag(sister_export.folder, *sources, "--out", "ray.csv", "--engine", "ray")
    assert ray.returncode == 0, ray.stderr
    assert ray.stdout == local.stdout.replace("local.csv", "ray.csv")
    assert (tmp_path / "ray.csv").read_bytes() == (tmp_path / "local.csv").read_bytes()


def test_a_cluster_that_does_not_answer_is_named(sister_export, photos, tmp_path):
    child = tag(
        sister_export.folder, photos[0], "--out", tmp_path / "t.csv", "--engine", "ray", RAY_ADDRESS="127.0.0.1:1"
    )
    assert child.returncode == 1
    assert "RAY_ADDRESS=127.0.0.1:1: no Ray cluster answers there" in child.stderr
    assert not list(tmp_path.glob("t.csv*"))
