"""A cluster of one machine: real Ray, real actors. One that is started for the job runs in ``test_readme.py``."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main

REPOSITORY = Path(__file__).parents[2]


def tag(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", "tag", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **environment}  # from any folder, in any worker
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@contextmanager
def cluster() -> Iterator[dict[str, str]]:
    """A cluster that was there before; yields what has to be in the environment to join it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    # Workers import the package from where it is tested.
    environment = {**os.environ, **secret, "PYTHONPATH": str(REPOSITORY), "RAY_USAGE_STATS_ENABLED": "0"}
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--include-dashboard=false"]
    command.append(f"--port={address.split(':')[1]}")
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as head:
        try:
            host, port = address.split(":")
            for _ in range(600):
                with socket.socket() as knock:
                    if knock.connect_ex((host, int(port))) == 0:
                        break
                time.sleep(0.1)
            yield {**secret, "RAY_ADDRESS": address}
        finally:
            head.terminate()


@pytest.fixture
def catalogue(photos, tmp_path):
    """600 photos, two parts; one of them broken; and a list with one more, by a way that a link's ".." takes."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(600):
        os.link(photos[i % len(photos)], folder / f"{i:04d}{photos[i % len(photos)].suffix}")
    (folder / "0500.jpg").unlink()
    (folder / "0500.jpg").write_bytes(photos[0].read_bytes()[:200])
    (tmp_path / "elsewhere" / "here").mkdir(parents=True)
    os.link(photos[0], tmp_path / "elsewhere" / "up.jpg")
    (tmp_path / "link").symlink_to("elsewhere/here")
    (folder / "list.csv").write_text("photo\n../link/../up.jpg\n")
    return folder


@pytest.mark.slow
def test_a_cluster_writes_the_very_table_that_one_machine_writes(baseline_export, catalogue, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the photos' paths are relative, and so are those in the table
    sources = ("photos", "photos/list.csv:photo")
    local = CliRunner().invoke(main, ["tag", str(baseline_export.folder), *sources, "--out", "local.csv"])
    assert local.exit_code == 0, local.stderr
    assert "601 photos, 1 could not be read" in local.stdout
    with cluster() as environment:
        ray = tag(baseline_export.folder, *sources, "--out", "ray.csv", "--engine", "ray", **environment)
    assert ray.returncode == 0, ray.stderr
    *counts, duration = local.stdout.replace("local.csv", "ray.csv").splitlines()
    assert ray.stdout.splitlines()[:-1] == counts
    assert "photos/s" in duration
    assert (tmp_path / "ray.csv").read_bytes() == (tmp_path / "local.csv").read_bytes()


def test_a_cluster_that_does_not_answer_is_named(baseline_export, photos, tmp_path):
    out = tmp_path / "t.csv"
    words = (baseline_export.folder, photos[0], "--out", out, "--engine", "ray", "--address", "127.0.0.1:1")
    result = CliRunner().invoke(main, ["tag", *map(str, words)])
    assert result.exit_code == 1
    assert "127.0.0.1:1: no Ray cluster is reachable there" in result.stderr
    assert not list(tmp_path.glob("t.csv*"))
