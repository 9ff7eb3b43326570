"""Run the shell examples of README and docs, in one folder and in the order of the documentation.

Commands that train get smaller settings appended. Examples that cannot run here carry a comment with the reason.
"""

import contextlib
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from keras_sister.segmentation.segmenters.selfie import SELFIE

from .pages import PAGES, Example, examples

SMALLER = {
    ("data", "street"): ["--photos", "24"],
    ("segment", "train"): ["--size", "32", "--epochs", "1"],
    ("cv",): ["--size", "32", "--folds", "2", "--epochs", "1"],
}
"""Settings that replace those of the examples: the last one of an option wins."""

ORDER = [
    "README.md",
    "docs/commands/cv.md",
    "docs/commands/data.md",
    "docs/commands/segment.md",
    "docs/commands/evaluate.md",
    "docs/commands/compare.md",
    "docs/commands/train.md",
    "docs/commands/export.md",
    "docs/commands/tag.md",
    "docs/commands/explain.md",
    "docs/commands/cache.md",
]
"""The pages whose examples run here; later ones use what earlier ones make."""


def unmarked(page: str) -> list[Example]:
    return [example for example in examples(page, "bash") if not example.mark]


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, dataset_folder: Path, selfie_weights: Path
) -> Iterator[tuple[Path, Path]]:
    """A folder with a user's photos, and a cache that has the selfie segmenter."""
    folder, cache = tmp_path_factory.mktemp("user"), tmp_path_factory.mktemp("cache")
    photos = sorted((dataset_folder / "images").iterdir())
    shutil.copy(photos[0], folder / "me.jpg")
    shutil.copy(photos[1], folder / "you.jpg")
    (folder / "holiday").mkdir()
    for photo in photos[2:5]:
        shutil.copy(photo, folder / "holiday")
    (folder / "products.csv").write_text("name,photo\nme,me.jpg\nyou,you.jpg\n")
    (cache / "weights").mkdir()
    shutil.copy(selfie_weights, cache / "weights" / SELFIE.cached.name)
    return folder, cache


@pytest.mark.timeout(1200)  # the quickstart trains a segmenter and five models
@pytest.mark.parametrize("page", ORDER)
def test_the_examples_of_a_page_run(folder, page, monkeypatch):
    place, cache = folder
    monkeypatch.setenv("KERAS_SISTER_CACHE", str(cache))
    with contextlib.chdir(place):
        for example in unmarked(page):
            for line in example.lines:
                run(line)


def run(line: str) -> None:
    """Run one line as a shell would, with Python in place of the pipe."""
    *before, last = [shlex.split(stage, comments=True) for stage in line.split(" | ")]
    piped = None
    for words in before:
        piped = subprocess.run(words, input=piped, capture_output=True, text=True, check=True).stdout
    assert last[0] == "sister-keras", f"mark it, or teach this test to run it: {line}"
    arguments = last[1:]
    for command, settings in SMALLER.items():
        if tuple(arguments[: len(command)]) == command:
            arguments = arguments + settings
    result = CliRunner().invoke(main, arguments, input=piped)
    assert result.exit_code == 0, f"{line}\n{result.output}\n{result.stderr}"


def test_every_example_is_run_or_says_why_not():
    for page in PAGES:
        for example in (*examples(page, "bash"), *examples(page, "python")):
            reason = example.mark.partition("not run: ")[2]
            runner = example.mark.partition("run by ")[2].partition(",")[0]
            here = not example.mark and page in ORDER and example.language == "bash"
            assert here or len(reason) > 10 or (runner and Path(runner).is_file()), f"{page}:\n{example.text}"
