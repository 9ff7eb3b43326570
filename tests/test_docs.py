"""README and docs agree with the code: commands, Python examples, links, badges, the command reference."""

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
from scripts.badges import badges

from .pages import PAGES, ROOT, examples


def shown_commands() -> list[list[str]]:
    stages = [
        stage.strip()
        for page in PAGES
        for example in examples(page, "bash")
        for line in example.lines
        for stage in line.split(" | ")
    ]
    shown = [shlex.split(stage, comments=True)[1:] for stage in stages if stage.startswith("sister-keras ")]
    return [arguments for arguments in shown if arguments != ["--help"]]


def test_docs_show_every_command():
    assert {arguments[0] for arguments in shown_commands()} == set(main.commands)


def test_every_command_has_a_page_in_the_site():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for command in main.commands:
        assert f"- {command}: commands/{command}.md" in navigation
        assert (ROOT / "docs" / "commands" / f"{command}.md").is_file()


@pytest.mark.parametrize("arguments", shown_commands(), ids=" ".join)
def test_commands_in_the_docs_are_valid(arguments):
    command, context = main, click.Context(main)
    while isinstance(command, click.Group):
        command = command.get_command(context, arguments[0])
        context = command.make_context(arguments[0], arguments[1:], parent=context)
        arguments = arguments[1:]


@pytest.mark.slow
@pytest.mark.parametrize(("page", "attributes"), [("README.md", 26), ("docs/library/index.md", 2)])
def test_the_library_examples_train_and_load_a_model(
    page, attributes, tmp_path, dataset_folder, selfie_weights, tiny, monkeypatch
):
    """The first example trains and saves a model here; the second loads it in a new process.

    The README's has the backbone that it names, for the whole photo; the other towers are of one convolution.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("keras_sister.segmentation.segmenters.selfie.find_weights", lambda: selfie_weights)
    paths = sorted((dataset_folder / "images").iterdir())[:4]
    given = {"paths": paths, "labels": np.random.default_rng(0).integers(-1, 2, (4, attributes))}
    first, second, *_ = [example.text for example in examples(page, "python")]
    assert first.count('"resnet_mini"') == 2
    first = first.replace('person_backbone="resnet_mini"', f"person_backbone={tiny!r}")
    first = first if page == "README.md" else first.replace('"resnet_mini"', repr(tiny))
    exec(first, given)  # noqa: S102 - our own page
    shutil.copy(paths[0], tmp_path / "me.jpg")
    program = (
        second.replace('"selfie"', repr(f"selfie:{selfie_weights}"))
        + "import numpy as np\nnp.savez('found.npz', **probabilities)\n"
    )
    subprocess.run(
        [sys.executable, "-c", program], check=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    schema = given.get("schema", DCSA)
    expected = schema.probabilities(given["model"].predict(given["preprocessor"].load(["me.jpg"]), verbose=0))
    with np.load("found.npz") as found:
        assert list(found) == schema.names
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, atol=1e-5)


def test_the_examples_with_an_export_predict(tmp_path, sister_export, photos, monkeypatch, capsys):
    """The Tagger of the library page and the plain TensorFlow of the exports' page print the same neckline."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(sister_export.folder.parent, tmp_path / "saved_models" / "sister_a")
    shutil.copy(photos[0], tmp_path / "me.jpg")
    tagger = examples("docs/library/index.md", "python")[-1]
    (plain,) = examples("saved_models/README.md", "python")
    exec(tagger.text, (names := {}))  # noqa: S102 - our own page
    exec(plain.text, (outputs := {}))  # noqa: S102
    assert "tf.Tensor(" in capsys.readouterr().out
    image = outputs["tf"].stack([outputs["tf"].io.read_file("me.jpg")])
    probabilities = outputs["tags"](image_bytes=image)["neckline"].numpy()[0]
    assert names["tags"].attributes["neckline"].value == ("v_shape", "round", "other")[int(np.argmax(probabilities))]


def test_the_schema_example_prints_what_its_comment_says(capsys):
    (example,) = examples("docs/concepts/unknown-labels.md", "python")
    exec(example.text, {})  # noqa: S102 - our own page
    assert capsys.readouterr().out.strip() == re.search(r"print.*# (.*)", example.text)[1]


@pytest.fixture(scope="module")
def saved(tiny, tmp_path_factory) -> tuple[Path, int]:
    """A folder with a model, saved before and after it was compiled, and its number of parameters."""
    import keras_sister
    from keras_sister.losses import MaskedAttributeLoss
    from keras_sister.metrics import AttributeAccuracy

    folder = tmp_path_factory.mktemp("saved")
    model = keras_sister.build("gate_add", DCSA, backbone=tiny, person_backbone=tiny, size=40)
    model.save(folder / "plain.keras")
    model.compile("adam", loss=MaskedAttributeLoss(DCSA), metrics=[AttributeAccuracy(DCSA)])
    model.save(folder / "compiled.keras")
    return folder, model.count_params()


@pytest.mark.parametrize("loader", ["import keras_sister as k", "import keras as k, keras_sister.models; k = k.models"])
def test_a_saved_model_loads_in_a_fresh_process(saved, loader):
    folder, parameters = saved
    program = f"""{loader}
import sys
for name in sys.argv[1:]:
    model = k.load_model(name)
    import keras_sister
    assert keras_sister.schema_of(model) == keras_sister.DCSA
    assert model.compiled == (name == "compiled.keras")
    assert k.load_model(name, compile=False).count_params() == {parameters}
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    subprocess.run([*command, "plain.keras", "compiled.keras"], check=True, cwd=folder, env=environment)


def test_every_link_leads_somewhere():
    for page in PAGES:
        links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", (ROOT / page).read_text(encoding="utf-8"))
        for link in links:
            assert ((ROOT / page).parent / link).exists(), f"{page}: {link}"


def test_badges_are_those_of_pyproject():
    for name, contents in badges().items():
        assert (ROOT / "docs" / "badges" / name).read_text(encoding="utf-8") == contents, "run `make docs`"


def test_the_site_builds_strictly_and_loads_nothing_from_the_network(tmp_path):
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) >= 25
    for page in pages:
        html = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|link|iframe)[^>]+(?:src|href)=[\"']?(https?://[^\"' >]+)", html)
        assert not loaded, f"{page}: {loaded}"
