import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli.experiment import SECTIONS
from cli.main import main
from keras_sister.config import BACKBONES, SYSTEMS, Experiment
from keras_sister.reproduction.plan import TABLES


def invoke(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def commands(group: click.Group, *path: str) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, command in group.commands.items():
        found.append((*path, name))
        if isinstance(command, click.Group):
            found += commands(command, *path, name)
    return found


@pytest.mark.parametrize("command", [(), *commands(main)], ids=" ".join)
def test_every_command_has_help(command):
    code, out, _ = invoke(*command, "--help")
    assert code == 0
    assert out.startswith("Usage: main")


@pytest.mark.parametrize("command", [(), *commands(main)], ids=" ".join)
def test_help_fits_80_columns_and_no_summary_is_cut_off(command):
    _, out, _ = invoke(*command, "--help")
    assert max(map(len, out.splitlines())) <= 80
    assert "..." not in out.replace("COMMAND [ARGS]...", "")


@pytest.mark.parametrize("command", ["cv", "train", "reproduce"])
def test_help_lists_settings_in_sections_and_every_choice_once(command):
    _, out, _ = invoke(command, "--help")
    headings = [line.rstrip(":") for line in out.splitlines() if line.endswith(":") and not line.startswith(" ")]
    on_cluster = command != "train"  # which trains one model
    assert headings == ["Options", *(title for title in SECTIONS if on_cluster or title != "Machines")]
    words = re.findall(r"[\w-]+", out)
    notes = re.findall(r"[\w-]+", out[out.index("NETWORK: ") : out.index("Person masks:")])
    assert all(notes.count(network) == 1 for network in BACKBONES)
    assert all(words.count(network) == 1 for network in set(BACKBONES) - {"resnet50", "resnet_mini"})
    if command == "reproduce":
        assert set(TABLES) <= set(words)


def test_every_setting_stands_in_a_section():
    placed = [name for names in SECTIONS.values() for name in names]
    assert set(Experiment.__dataclass_fields__) <= set(placed)
    assert len(placed) == len(set(placed))


@pytest.mark.parametrize("arguments", [["--help"], ["cv", "--help"], ["data", "--help"], ["--version"]])
def test_help_loads_neither_tensorflow_nor_keras(arguments):
    program = f"""
import sys
from cli.main import main
try:
    main({arguments!r})
except SystemExit as end:
    assert not end.code
heavy = [name for name in ("tensorflow", "keras", "scipy", "PIL") if name in sys.modules]
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_it_is_also_a_module():
    done = subprocess.run([sys.executable, "-m", "cli", "--version"], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("sister-keras, version")


def test_a_system_can_be_chosen_for_each_builder():
    code, _, error = invoke("cv", "x", "--system", "none")
    assert code == 2
    assert all(system in error for system in SYSTEMS)


def test_mistakes_are_one_line_and_name_the_file(tmp_path, dataset_folder):
    settings = tmp_path / "settings.yaml"
    settings.write_text("epoch: 3\n")
    empty = tmp_path / "empty"
    (empty / "images").mkdir(parents=True)
    mistakes = {
        ("cv", tmp_path / "none", "--weights", "none"): str(tmp_path / "none"),
        ("cv", empty): str(empty / "images"),
        ("cv", dataset_folder, "--config", settings): "'epoch' is not a setting; did you mean 'epochs'?",
        ("cv", dataset_folder, "--config", tmp_path / "no.yaml"): "no.yaml",
        ("cv", dataset_folder, "--segmenter", "selfie:no.tflite", "--system=sister_a", "--out", tmp_path / "o"): (
            "no.tflite: no such file"
        ),
        ("cv", dataset_folder, "--weights", "resnet50=a", "--weights", "none"): "--weights",
        ("train", dataset_folder, "--out", tmp_path / "out", "--like", tmp_path / "norun"): str(tmp_path / "norun"),
        ("compare", tmp_path / "norun"): str(tmp_path / "norun"),
        ("export", tmp_path / "norun"): str(tmp_path / "norun"),
        ("tag", tmp_path / "nomodel", "x.jpg"): str(tmp_path / "nomodel"),
        ("segment", "train", dataset_folder, "--out", tmp_path / "f", "--masks", tmp_path / "m"): str(tmp_path / "m"),
    }
    for arguments, expected in mistakes.items():
        code, _, error = invoke(*arguments)
        assert code == 1, arguments
        loaded = "scikit-learn" if arguments[0] == "train" else "TensorFlow"
        said = error.removeprefix(f"Loading {loaded} …\n")
        assert said.startswith("Error: "), arguments
        assert expected in said
        assert len(said.strip().splitlines()) <= 2
    assert not (tmp_path / "out").exists()


def test_options_out_of_range_are_clicks_own_errors(dataset_folder):
    for option, value in (("--folds", "1"), ("--learning-rate", "3"), ("--epochs", "many"), ("--precision", "half")):
        code, _, error = invoke("cv", dataset_folder, option, value)
        assert code == 2
        assert f"Invalid value for '{option}'" in error


def test_check_as_json_and_as_text(dataset_folder, tmp_path):
    code, out, _ = invoke("data", "check", dataset_folder, "--json")
    assert code == 0
    assert json.loads(out)["photos"] == 48
    code, out, _ = invoke("data", "check", dataset_folder)
    assert code == 0
    assert "48 photos" in out
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "000001.jpg").write_bytes(Path(__file__).read_bytes())
    code, out, _ = invoke("data", "check", tmp_path)
    assert code == 1
    assert "000001.jpg" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_a_library_makes_another_error_of_is_one(number):
    """TensorFlow does, while it is imported: 'ImportError: initialization failed'."""
    handlers = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}

    @click.command()
    def import_a_library() -> None:
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt:
            raise ImportError("initialization failed") from None

    try:
        result = CliRunner().invoke(type(main)(commands={"import": import_a_library}), ["import"])
    finally:
        for one, handler in handlers.items():
            signal.signal(one, handler)
    assert (result.exit_code, result.output) == (130, "")
