"""The options that say what is trained and how: the fields of `keras_sister.config.Experiment`, one to one."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from keras_sister.config import (
    BACKBONES,
    BACKGROUNDS,
    BATCH_NORMS,
    CLASS_WEIGHTS,
    EDGES,
    FINE_TUNING,
    FROZEN_LINEAR,
    LEARNING_RATES,
    LEVELS,
    LOSSES,
    ON_ERROR,
    POOLINGS,
    PRECISIONS,
    RANGES,
    RECIPES,
    SCHEDULES,
    SHARES,
    SYSTEMS,
    TRACKERS,
    TRAINABLE,
    Experiment,
    can_standardize,
    load_experiment,
    load_settings,
    unlike_frozen,
)
from keras_sister.errors import InputError

SEGMENTER_HELP = (
    "Person segmenter: selfie, masks:FOLDER, saved_model:PATH, hub:HANDLE, deeplab:PRESET, or a folder of"
    " 'segment train' or 'segment import'."
)

_PAPER = Experiment()


def _setting(kind: Any, text: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "help": text, "show_default": True, **more}


_SETTINGS = {
    "system": _setting(click.Choice(list(SYSTEMS)), f"{', '.join(SYSTEMS)}.", metavar="SYSTEM"),
    "backbone": _setting(str, "Network of the whole-photo tower.", metavar="NETWORK"),
    "person_backbone": _setting(str, "Network of the person tower.", metavar="NETWORK"),
    "weights": _setting(
        str,
        "Initial weights of the towers: imagenet, none, FILE, or NETWORK=FILE once for each network.",
        multiple=True,
        metavar="WEIGHTS",
        show_default="imagenet",
    ),
    "size": _setting(click.IntRange(*RANGES["size"]), "Height and width of the model's input in pixels."),
    "segmenter": _setting(str, SEGMENTER_HELP),
    "background": _setting(click.Choice(BACKGROUNDS), "Background of the person."),
    "edges": _setting(click.Choice(EDGES), "Edges of the person."),
    "keep_largest": _setting(bool, "Keep only the largest connected component of the mask.", is_flag=True),
    "margin": _setting(
        click.IntRange(*RANGES["margin"]), "Dilate the mask by this many pixels, at the segmenter's size."
    ),
    "min_person_share": _setting(click.FloatRange(0, 1), "A person on a smaller share of the pixels counts as nobody."),
    "pooling": _setting(click.Choice(POOLINGS), "Pooling of each tower's last feature map."),
    "levels": _setting(click.Choice(LEVELS), "Pool the last feature map of each tower, or the last of each size."),
    "trainable": _setting(click.Choice(TRAINABLE), "Train all weights, or the head only."),
    "standardize": _setting(bool, "With frozen towers, train the head on standardised features.", is_flag=True),
    "batch_norm": _setting(
        click.Choice(BATCH_NORMS),
        "Batch normalization of the towers: keep its pretrained statistics, or train it.",
        show_default="frozen; train if weights are none",
    ),
    "warm_up_epochs": _setting(
        click.IntRange(*RANGES["warm_up_epochs"]), "Train only the head in the first N epochs, then everything."
    ),
    "tower_rate": _setting(
        click.FloatRange(*SHARES["tower_rate"]), "Learning rate of the towers, as a factor of the head's."
    ),
    "first_layer_rate": _setting(
        click.FloatRange(*SHARES["first_layer_rate"]),
        "Learning rate of a tower's first layer, as a factor of its last layer's; geometric between them.",
    ),
    "loss": _setting(click.Choice(LOSSES), "Loss of a label."),
    "gamma": _setting(
        click.FloatRange(*SHARES["gamma"]),
        "Focusing parameter: the higher it is, the smaller the weight of well-predicted labels; default 2 for focal,"
        " 4 for asymmetric.",
    ),
    "label_smoothing": _setting(
        click.FloatRange(*SHARES["label_smoothing"]), "Share of a label that is spread over all classes."
    ),
    "class_weights": _setting(
        click.Choice(CLASS_WEIGHTS), "Weights in the loss that balance the classes of each attribute."
    ),
    "augment": _setting(
        bool, "Random flip, shift, brightness and contrast of training photos; for the head alone, flip.", is_flag=True
    ),
    "drop_view": _setting(
        click.FloatRange(*SHARES["drop_view"]), "Share of training photos in which one of the two views is blank."
    ),
    "random_background": _setting(
        click.FloatRange(*SHARES["random_background"]),
        "Share of training photos whose person the whole-photo tower sees on another photo's background.",
    ),
    "flip_average": _setting(bool, "At test time, average the logits of a photo and its mirror image.", is_flag=True),
    "folds": _setting(click.IntRange(*RANGES["folds"]), "Number of folds."),
    "split": _setting(
        bool, "Test once, on the test rows of the dataset's split column, instead of folds.", is_flag=True
    ),
    "epochs": _setting(click.IntRange(*RANGES["epochs"]), "Maximum number of epochs."),
    "batch_size": _setting(click.IntRange(*RANGES["batch_size"]), "Photos per step."),
    "learning_rate": _setting(
        click.FloatRange(0, 1, min_open=True, max_open=True),
        "Adam learning rate.",
        show_default=", ".join(f"{rate:g} for {trained}" for trained, rate in LEARNING_RATES.items()),
    ),
    "schedule": _setting(click.Choice(SCHEDULES), "Learning rate over the steps."),
    "average_weights": _setting(
        click.FloatRange(*SHARES["average_weights"]),
        "Decay of an exponential moving average of the weights, which is tested and kept; 0 is none.",
    ),
    "precision": _setting(
        click.Choice(PRECISIONS),
        "Keras dtype policy; onednn_bfloat16: bfloat16 products on a CPU that has them; auto: bfloat16 where batch"
        " normalization is frozen and the machine has it.",
    ),
    "seed": _setting(click.IntRange(*RANGES["seed"]), "Random seed."),
    "on_error": _setting(click.Choice(ON_ERROR), "Photos that cannot be read: stop, or skip and list them."),
}


SECTIONS = {
    "Model": ("system", "systems", "backbone", "person_backbone", "weights", "size", "pooling", "levels"),
    "Person masks": ("segmenter", "segmenters", "background", "edges", "keep_largest", "margin", "min_person_share"),
    "Photos and labels": ("on_error", "on_unknown_value"),
    "Training": (
        "recipe",
        "trainable",
        "standardize",
        "folds",
        "split",
        "epochs",
        "batch_size",
        "learning_rate",
        "schedule",
        "average_weights",
        "precision",
        "seed",
        "seeds",
    ),
    "Fine-tuning": ("batch_norm", "warm_up_epochs", "tower_rate", "first_layer_rate"),
    "Loss": ("loss", "gamma", "label_smoothing", "class_weights"),
    "Augmentation": ("augment", "drop_view", "random_background", "flip_average"),
    "Machines": ("engine", "address", "gpus_per_fold", "cpus_per_fold"),
}
NOTES = {
    "Model": f"NETWORK: {', '.join(BACKBONES)}, another of keras.applications, the .keras file of your own model, or"
    " keras_hub:PRESET_OR_FOLDER, an image backbone of KerasHub."
}


def experiment_options(command: Callable) -> Callable:
    """Give a command every setting of an experiment as an option, and ``--config`` for a file of them."""
    command = _with_settings(command, {name: getattr(_PAPER, name) for name in _SETTINGS})
    return click.option(
        "--recipe",
        type=click.Choice(list(RECIPES)),
        help="Settings that go together: "
        + "; ".join(f"{name}: {_as_options(settings)}" for name, settings in RECIPES.items())
        + ". Other options and --config win.",
    )(command)


def _as_options(settings: dict[str, Any]) -> str:
    options = [(f"--{name.replace('_', '-')}", value) for name, value in settings.items()]
    return " ".join(option if value is True else f"{option} {value}" for option, value in options)


def track_option(command: Callable) -> Callable:
    """Give a command that trains ``--track``."""
    return click.option(
        "--track",
        multiple=True,
        type=click.Choice(TRACKERS),
        help="Track the training in MLflow, or as TensorBoard logs in --out; may be repeated.",
    )(command)


def override_options(command: Callable) -> Callable:
    """The same for a command whose settings come from elsewhere, but for the system, the segmenter and the split.

    Networks may be given several times.
    """
    return _with_settings(
        command,
        dict.fromkeys(name for name in _SETTINGS if name not in ("system", "segmenter", "split")),
        repeated={
            "backbone": "Network of the whole-photo tower; once for each row.",
            "person_backbone": "Network of the person tower; once for all rows, or once for each.",
        },
    )


def _with_settings(command: Callable, defaults: dict[str, Any], repeated: Mapping[str, str] | None = None) -> Callable:
    for name, default in reversed(defaults.items()):
        option = {**_SETTINGS[name], "default": () if name == "weights" else default}
        if default is None:
            option["show_default"] = False
        if repeated and name in repeated:
            option |= {"multiple": True, "default": (), "help": repeated[name]}
        flag = f"--{name.replace('_', '-')}"
        command = click.option(f"{flag}/--no-{flag[2:]}" if option.pop("is_flag", False) else flag, **option)(command)
    return click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Settings from a YAML file; options on the command line override them.",
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


def experiment_to_run(
    context: click.Context,
    out: Path,
    *,
    resume: bool,
    base: Experiment | None = None,
    wanted: dict[str, Any] | None = None,
) -> Experiment:
    """The experiment the user asks for; `wanted` are settings that the command derives from its other options.

    Settings not given come from the recipe, then from the run in `out` where that is to be resumed, else from `base`,
    else from the paper. Where `base` is of another system, `standardize` is taken from it only if both can have it, and
    a recipe that it was begun with is that of the experiment's own system.
    """
    begun = out / "config.yaml"
    if resume and begun.exists():
        base = load_experiment(begun)
    given = settings_given(context) | (wanted or {})
    before = asdict(base) if base else {}
    if given.get("trainable", before.get("trainable")) != before.get("trainable"):
        before.pop("learning_rate", None)  # it was one for other weights
    is_other_system = base is not None and given.get("system", base.system) != base.system
    if base and is_other_system and replace(base, batch_norm=None) == base:
        before.pop("batch_norm")  # it follows from the networks, of which the other system may have more or fewer
    recipe = RECIPES.get(context.params.get("recipe") or "", {})
    if base and not recipe and is_other_system and given.get("trainable", "head") == "head":
        recipe = _recipe_of_sibling(base, given)
    if {**before, **recipe, **given}.get("trainable") == "head":
        recipe = {name: value for name, value in recipe.items() if name not in FINE_TUNING}
        if "standardize" in recipe and {"system": Experiment().system, **before, **given}["system"] == "sister_b":
            recipe |= FROZEN_LINEAR
    others = {**before, **recipe}
    if others.get("standardize") and ("standardize" in recipe or is_other_system):
        others["standardize"] = can_standardize(Experiment(**{**others, "standardize": False, **given}))
    experiment = Experiment(**{**others, **given})
    if given.get("batch_norm", experiment.batch_norm) != experiment.batch_norm:
        raise InputError("--batch-norm train is about training the towers, which --trainable head keeps frozen.")
    if experiment.precision == "auto":
        from keras_sister.training.precision import resolve_precision

        experiment, reason = resolve_precision(experiment)
        click.echo(f"Precision: {experiment.precision} ({reason}).", err=True)
    return experiment


def _recipe_of_sibling(base: Experiment, given: dict[str, Any]) -> dict[str, Any]:
    """The recipe by which another system was begun, where that sets other values for `sister_b` than for the others.

    Raises:
        InputError: if it cannot be told whether the recipe was given, with some other options.
    """
    if "sister_b" not in (base.system, given["system"]):
        return {}
    unlike = unlike_frozen(base)
    if not unlike:
        return RECIPES["frozen"]
    if base.trainable == "head" and len(unlike) == 1 and "standardize" not in given:
        raise InputError(
            f"{base.system} has the settings of --recipe frozen but for {unlike[0]}, and the recipe is another one for"
            f" {given['system']}: add --recipe frozen and your options, or --no-standardize to take {base.system}'s"
            " settings as they are."
        )
    return {}


def _weights(values: tuple[str, ...]) -> str | dict[str, str]:
    pairs = [value.partition("=") for value in values]
    if all(equals for _, equals, _ in pairs):
        return {backbone: file for backbone, _, file in pairs}
    if len(values) > 1:
        raise InputError("--weights is one of imagenet, none and FILE, or BACKBONE=FILE once for each backbone.")
    return values[0]
