"""The commands of docs/serving.md, run as they are written; the tests' own server takes the place of ``docker``."""

import contextlib
import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from click.testing import CliRunner

from cli.main import main
from keras_sister.export.server_files import serving_image

from ..client.server import serving
from ..pages import examples

REPOSITORY = Path(__file__).parents[2]


def commands() -> list[str]:
    return [line for example in examples("docs/serving.md", "bash") for line in example.lines]


def run(line: str, folder: Path) -> str:
    """Run a line as a shell would, with Python in place of pipes; returns its output.

    Our command runs in this process, which saves TensorFlow's start, unless it starts Ray.
    """
    stages = [shlex.split(stage.replace("$PWD", str(folder))) for stage in line.split(" | ")]
    given = None
    for words in stages:
        if words[0] == "sister-keras" and "ray" not in words:
            with contextlib.chdir(folder):
                result = CliRunner().invoke(main, words[1:], input=given)
            assert result.exit_code == 0, f"{line}\n{result.output}"
            given = result.stdout
            continue
        if words[0] == "sister-keras":
            words = [sys.executable, "-m", "cli", *words[1:]]
        child = subprocess.run(
            words,
            input=given,
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        assert child.returncode == 0, f"{line}\n{child.stderr}"
        given = child.stdout
    return given or ""


@pytest.mark.slow
@pytest.mark.usefixtures("verified_here")
def test_the_commands_of_the_serving_page(sister, photos, tmp_path):
    folder = tmp_path
    (folder / "runs").mkdir()
    (folder / "runs" / "final").symlink_to(sister.folder)
    (folder / "catalogue").mkdir()
    for photo in photos:
        shutil.copy(photo, folder / "catalogue")
    shutil.copy(photos[0], folder / "me.jpg")
    shutil.copy(photos[1], folder / "you.jpg")
    (folder / "products.csv").write_text("name,photo\nme,me.jpg\nlost,lost.jpg\n")
    said: dict[str, str] = {}
    with ExitStack() as stack:
        for line in commands():
            if line.startswith("docker "):
                export = said["sister-keras export runs/final --out saved_models/sister_a"]
                printed = export.split("Serve it:")[1]
                shown = re.sub(r"tensorflow/serving:[0-9.]+", serving_image(tf.__version__), line)  # of any release
                assert shlex.split(shown.replace("$PWD", str(folder.resolve()))) == shlex.split(printed)
                served = serving(folder / "saved_models" / "sister_a" / "1", "sister_a", rest_port=8501, grpc_port=8500)
                stack.enter_context(served)
            else:
                said[line] = run(line, folder)
    over_rest, over_grpc = (text for line, text in said.items() if line.startswith("sister-keras query"))
    assert "me.jpg" in over_rest
    assert "neckline" in over_rest
    assert [json.loads(line)["photo"] for line in over_grpc.splitlines()] == ["me.jpg", "you.jpg"]
    names = [f"catalogue/{photo.name}" for photo in photos]
    table = pq.read_table(folder / "tags.parquet").to_pylist()
    assert [row["photo"] for row in table] == names
    rows = list(csv.DictReader((folder / "tags.csv").read_text().splitlines()))
    assert [(row["photo"], bool(row["error"])) for row in rows] == [("me.jpg", False), ("lost.jpg", True)]
    by_name = {row["photo"]: row for row in table}
    jpegs = [name for name in names if name.endswith(".jpg")]
    found = [json.loads(line) for line in (folder / "tags.jsonl").read_text().splitlines()]
    assert sorted(row["photo"] for row in found) == jpegs
    assert all(row["tags"] == by_name[row["photo"]]["tags"] for row in found)
    cluster = list(csv.DictReader((folder / "cluster.csv").read_text().splitlines()))
    assert [row["photo"] for row in cluster] == jpegs
    assert all(row["tags"] == ";".join(by_name[row["photo"]]["tags"]) for row in cluster)
