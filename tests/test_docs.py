"""What the pages show is what the code does."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest

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


def test_the_library_in_the_readme(tmp_path, dataset_folder, selfie_weights, monkeypatch):
    """The first snippet trains and saves a model here; the second loads it in a process that knows nothing else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("keras_sister.segmentation.segmenters.selfie.find_weights", lambda: selfie_weights)
    paths = sorted((dataset_folder / "images").iterdir())[:16]
    given = {"paths": paths, "labels": np.random.default_rng(0).integers(-1, 2, (16, len(DCSA)))}
    first, second = blocks("README.md", "python")
    exec(first, given)  # noqa: S102 - our own page
    shutil.copy(paths[0], tmp_path / "me.jpg")
    program = (
        second.replace('"selfie"', repr(f"selfie:{selfie_weights}"))
        + "import numpy as np\nnp.savez('found.npz', **probabilities)\n"
    )
    subprocess.run(
        [sys.executable, "-c", program], check=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    expected = DCSA.probabilities(given["model"].predict(given["preprocessor"].load(["me.jpg"]), verbose=0))
    with np.load("found.npz") as found:
        assert list(found) == DCSA.names
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, atol=1e-5)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("loader", ["import keras_sister as k", "import keras as k, keras_sister.models; k = k.models"])
def test_a_saved_model_loads_in_a_fresh_process(tmp_path, compiled, loader):
    import keras_sister
    from keras_sister.losses import MaskedAttributeLoss
    from keras_sister.metrics import AttributeAccuracy

    mini = {"backbone": "resnet_mini", "person_backbone": "resnet_mini", "weights": "none", "size": 40}
    model = keras_sister.build("gate_add", DCSA, **mini)
    if compiled:
        model.compile("adam", loss=MaskedAttributeLoss(DCSA), metrics=[AttributeAccuracy(DCSA)])
    model.save(tmp_path / "sister.keras")
    program = f"""{loader}
model = k.load_model("sister.keras")
import keras_sister
assert keras_sister.schema_of(model) == keras_sister.DCSA
assert k.load_model("sister.keras", compile=False).count_params() == {model.count_params()}
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, env=environment)


def test_every_link_leads_somewhere():
    for page in PAGES:
        links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8"))
        for link in links:
            assert ((ROOT / page).parent / link).exists(), f"{page}: {link}"
