"""Run the shell examples of README and docs, in one folder and in the order of the documentation.

Commands that train get smaller settings appended. Examples that cannot run here carry a comment with the
reason, and those that another page or test runs carry its name.
"""

import contextlib
import csv
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from keras_sister.data.dataset_file import read_dataset_file
from keras_sister.segmentation.segmenters.selfie import SELFIE

from .exports import tiny_network
from .pages import PAGES, Example, examples

SMALLER = {
    ("data", "street"): "--photos 12",
    ("segment", "train"): "--size 32 --epochs 1",
    ("cv",): "--size 32 --folds 2 --epochs 1",
    ("cv", "street", "--systems"): "--backbone tiny.keras --person-backbone tiny.keras --weights none",
    ("cv", "shop/dataset.yaml"): "--system baseline --backbone tiny.keras --weights none",
}
"""Settings by the first words of a command. They replace those of the examples: the last one of an option wins.

Most runs have a backbone of one convolution; that of ``docs/commands/cv.md`` has the backbone that the page names.
"""

ORDER = [
    "README.md",
    "docs/commands/cv.md",
    "docs/commands/data.md",
    "docs/commands/segment.md",
    "docs/commands/evaluate.md",
    "docs/commands/compare.md",
    "docs/commands/thresholds.md",
    "docs/commands/report.md",
    "docs/commands/tag.md",
    "docs/commands/explain.md",
    "docs/commands/compare-exports.md",
    "docs/own-catalogue.md",
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
    tiny_network(folder / "tiny.keras")
    (cache / "weights").mkdir()
    shutil.copy(selfie_weights, cache / "weights" / SELFIE.cached.name)
    return folder, cache


@pytest.mark.usefixtures("tasks_here")
@pytest.mark.slow
@pytest.mark.timeout(1200)  # the quickstart trains three models
@pytest.mark.parametrize("page", ORDER)
def test_the_examples_of_a_page_run(folder, page, monkeypatch):
    place, cache = folder
    monkeypatch.setenv("KERAS_SISTER_CACHE", str(cache))
    with contextlib.chdir(place):
        for example in unmarked(page):
            for line in example.lines:
                run(line)
        if page == "docs/own-catalogue.md":
            check_tags(place)


def check_tags(place: Path) -> None:
    """The tutorial ends with a table that has the rows of the spreadsheet, tagged with its attributes."""
    with (place / "shop" / "products.csv").open(newline="") as stream:
        products = list(csv.DictReader(stream))
    with (place / "shop-tags.csv").open(newline="") as stream:
        tagged = list(csv.DictReader(stream))
    assert [(row["photo"], row["product_id"]) for row in tagged] == [
        (row["Image"], row["product_id"]) for row in products
    ]
    assert not any(row["error"] for row in tagged)
    assert {"sleeve_length=long", "scarf", "colours_red"} <= tagged[0].keys()


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
            arguments = arguments + settings.split()
    result = CliRunner().invoke(main, arguments, input=piped)
    assert result.exit_code == 0, f"{line}\n{result.output}\n{result.stderr}"


def test_every_example_is_run_or_says_why_not():
    for page in PAGES:
        for example in (*examples(page, "bash"), *examples(page, "python")):
            reason = example.mark.partition("not run: ")[2]
            runner = example.mark.partition("run by ")[2].partition(",")[0]
            here = not example.mark and page in ORDER and example.language == "bash"
            assert here or len(reason) > 10 or (runner and Path(runner).is_file()), f"{page}:\n{example.text}"


def test_examples_that_another_page_runs_are_run_there():
    """``run by tests/test_examples.py, in PAGE``: PAGE has the same lines, unmarked."""
    for page in PAGES:
        for example in examples(page, "bash"):
            runner, _, other = example.mark.removeprefix("run by ").partition(", in ")
            if runner == "tests/test_examples.py":
                assert other in ORDER, f"{page}: {example.mark}"
                there = [shlex.split(line, comments=True) for found in unmarked(other) for line in found.lines]
                for line in example.lines:
                    assert shlex.split(line, comments=True) in there, f"{page}: {line}"


def test_the_dataset_file_of_the_tutorial_is_valid(tmp_path):
    (example,) = examples("docs/own-catalogue.md", "yaml")
    (tmp_path / "dataset.yaml").write_text(example.text)
    file = read_dataset_file(tmp_path / "dataset.yaml")
    assert file.schema.names == ["neckline", "scarf", "colours_red", "colours_blue", "colours_green"]
    assert (file.group, file.weight, file.split) == ("product_id", "importance", "subset")
