"""What the pages show is what the code does."""

import re
import shlex
from pathlib import Path

import click
import numpy as np
import pytest
import tensorflow as tf

from cli.main import main
from keras_sister.schema import DCSA

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "saved_models/README.md"]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)


def shown_commands() -> list[list[str]]:
    lines = "\n".join(block for page in PAGES for block in blocks(page, "bash")).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("sister-keras ")]


def test_readme_shows_commands():
    assert {arguments[0] for arguments in shown_commands()} == set(main.commands)


@pytest.mark.parametrize("arguments", shown_commands(), ids=" ".join)
def test_commands_in_the_pages_are_understood(arguments):
    command, context = main, click.Context(main)
    while isinstance(command, click.Group):
        command = command.get_command(context, arguments[0])
        context = command.make_context(arguments[0], arguments[1:], parent=context)
        arguments = arguments[1:]


def test_the_library_in_the_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 256, (16, 96, 96, 3), dtype=np.uint8)
    given = {"photos": photos, "segmented": photos // 2, "labels": rng.integers(-1, 2, (16, len(DCSA)))}
    (code,) = blocks("README.md", "python")
    assert len([line for line in code.splitlines() if line.startswith("model")]) == 6
    exec(code, given)  # noqa: S102 - our own page
    model = given["model"]
    again = tf.keras.models.load_model(tmp_path / "sister.keras")
    views = {"photo": photos, "segmented": photos // 2}
    np.testing.assert_allclose(model.predict(views, verbose=0), again.predict(views, verbose=0), atol=1e-5)


def test_every_link_leads_somewhere():
    for page in PAGES:
        links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8"))
        for link in links:
            assert ((ROOT / page).parent / link).exists(), f"{page}: {link}"
