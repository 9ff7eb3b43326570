"""The options that say what is trained and how: the fields of `keras_sister.config.Experiment`, one to one."""

from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from keras_sister.config import (
    BACKBONES,
    BACKGROUNDS,
    PRECISIONS,
    SYSTEMS,
    TRAINABLE,
    Experiment,
    load_experiment,
    load_settings,
)
from keras_sister.errors import InputError

_PAPER = Experiment()


def _option(name: str, kind: Any, text: str, **more: Any) -> Callable:
    return click.option(f"--{name.replace('_', '-')}", type=kind, default=getattr(_PAPER, name), help=text, **more)


_OPTIONS = [
    _option("system", click.Choice(list(SYSTEMS)), "What the model looks like.", show_default=True),
    _option("backbone", click.Choice(BACKBONES), "Network of the whole-photo tower.", show_default=True),
    _option("small", click.Choice(BACKBONES), "Network of the segmented-photo tower.", show_default=True),
    click.option(
        "--weights",
        multiple=True,
        metavar="imagenet|none|FILE|BACKBONE=FILE",
        help="What the towers start from; BACKBONE=FILE once for each backbone.  [default: imagenet]",
    ),
    _option("size", int, "Height and width of the model's input in pixels.", show_default=True),
    _option("segmenter", str, "Where person masks come from: a folder of 'segment train', or masks:FOLDER."),
    _option("background", click.Choice(BACKGROUNDS), "What the background is painted over with.", show_default=True),
    _option("trainable", click.Choice(TRAINABLE), "Fine-tune everything, or the head alone.", show_default=True),
    click.option(
        "--augment/--no-augment",
        default=_PAPER.augment,
        help="Flip, shift and light training photos at random.  [default: no-augment]",
    ),
    _option("folds", int, "Folds of the cross-validation.", show_default=True),
    _option("epochs", int, "Epochs to train at most.", show_default=True),
    _option("batch", int, "Photos a step.", show_default=True),
    _option("learning_rate", float, "Of Adam.", show_default=True),
    _option("precision", click.Choice(PRECISIONS), "Keras dtype policy.", show_default=True),
    _option("seed", int, "Of folds, initial weights, order and augmentation.", show_default=True),
]


def experiment_options(command: Callable) -> Callable:
    """Give a command every setting of an experiment as an option, and ``--config`` for a file of them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Settings from a YAML file; options given as well win.",
    )(command)


def settings_given(context: click.Context) -> dict[str, Any]:
    """The settings that the user gave: those in the ``--config`` file, and over them the options typed."""
    config = context.params["config"]
    settings = load_settings(config) if config else {}
    for field in fields(Experiment):
        if context.get_parameter_source(field.name) is ParameterSource.COMMANDLINE:
            value = context.params[field.name]
            settings[field.name] = _weights(value) if field.name == "weights" else value
    return settings


def experiment_to_run(context: click.Context, out: Path, *, resume: bool, base: Experiment | None = None) -> Experiment:
    """The experiment the user asks for.

    Settings not given come from the run in `out` where that is to be resumed, else from `base`, else from the paper.
    """
    begun = out / "config.yaml"
    if resume and begun.exists():
        base = load_experiment(begun)
    return Experiment(**{**(asdict(base) if base else {}), **settings_given(context)})


def _weights(values: tuple[str, ...]) -> str | dict[str, str]:
    pairs = [value.partition("=") for value in values]
    if all(equals for _, equals, _ in pairs):
        return {backbone: file for backbone, _, file in pairs}
    if len(values) > 1:
        raise InputError("--weights is one of imagenet, none and FILE, or BACKBONE=FILE once for each backbone.")
    return values[0]
