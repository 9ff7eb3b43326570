from dataclasses import fields, replace
from pathlib import Path

import pytest
import yaml

from keras_sister.config import SYSTEMS, Experiment, load_experiment, load_settings
from keras_sister.errors import InputError


def test_the_defaults_are_the_papers_base_setting():
    paper = Experiment()
    assert (paper.backbone, paper.weights, paper.size, paper.folds) == ("resnet50", "imagenet", 224, 16)
    assert paper.learning_rate == 1e-5


def test_yaml_round_trip(tmp_path):
    experiment = Experiment(
        system="sister_a", weights={"resnet101": "a.h5", "resnet50": "b.h5"}, segmenter="masks:m", learning_rate=3e-4
    )
    path = tmp_path / "config.yaml"
    path.write_text(experiment.to_yaml())
    assert load_experiment(path) == experiment
    assert list(yaml.safe_load(path.read_text())) == [field.name for field in fields(Experiment)]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("system", "sister_z"),
        ("backbone", "resnet51"),
        ("person_backbone", ""),
        ("background", "pink"),
        ("edges", "frayed"),
        ("keep_largest", 1),
        ("margin", -1),
        ("trainable", "tail"),
        ("precision", "int8"),
        ("size", 8),
        ("size", 64.0),
        ("folds", 1),
        ("epochs", 0),
        ("batch_size", 0),
        ("batch_size", True),
        ("seed", -1),
        ("learning_rate", 0.0),
        ("learning_rate", "fast"),
        ("augment", "yes"),
        ("segmenter", 3),
        ("weights", None),
        ("pooling", "min"),
        ("levels", "first"),
        ("standardize", 1),
        ("batch_norm", "thaw"),
        ("loss", "hinge"),
        ("gamma", -1),
        ("gamma", "high"),
        ("label_smoothing", 1),
        ("label_smoothing", True),
        ("class_weights", {}),
        ("schedule", "step"),
        ("average_weights", 1),
        ("warm_up_epochs", -1),
        ("tower_rate", 0),
        ("first_layer_rate", 2.0),
        ("drop_view", float("nan")),
        ("random_background", -0.1),
        ("flip_average", 1),
        ("weights", {"vgg": "a.h5"}),
    ],
)
def test_a_wrong_value_names_its_setting(setting, value):
    with pytest.raises(InputError, match=setting):
        Experiment(**{setting: value})


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_but_the_baseline_needs_masks(system):
    assert Experiment(system=system).needs_masks == (system != "baseline")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("epoch: 3", "'epoch' is not a setting; did you mean 'epochs'"),
        ("zzz: 3", "known settings"),
        ("- a", "setting: value"),
        ("a: [", "YAML"),
        ("size: 8", "size"),
    ],
)
def test_a_broken_file_is_named_with_its_fault(tmp_path, text, expected):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=expected) as error:
        load_experiment(path)
    assert str(error.value).count("mine.yaml") == 1


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml"):
        load_settings(tmp_path / "none.yaml")


@pytest.mark.parametrize("text", ["1e-5", "0.00001", "1.0e-05"])
def test_learning_rates_read_as_numbers(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(f"learning_rate: {text}")
    assert load_experiment(path).learning_rate == 1e-5


def test_settings_left_out_take_their_defaults(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("epochs: 3")
    assert load_settings(path) == {"epochs": 3}
    assert load_experiment(path) == replace(Experiment(), epochs=3, batch_norm="train")  # as runs did before it existed


def test_old_runs_train_as_they_did(tmp_path):
    """A run's file without the settings of today is that of a run of yesterday, whatever the defaults are now."""
    path = tmp_path / "config.yaml"
    for text, expected in (
        ("weights: imagenet", "train"),
        ("trainable: head", "frozen"),
        ("batch_norm: frozen", "frozen"),
    ):
        path.write_text(text)
        assert load_experiment(path).batch_norm == expected
    before = load_experiment(path)
    assert (before.loss, before.label_smoothing, before.class_weights) == ("cross_entropy", 0, "none")
    assert (before.warm_up_epochs, before.tower_rate, before.schedule, before.average_weights) == (0, 1, "constant", 0)


def test_paths_are_taken_and_kept_as_text(tmp_path):
    place = Path("nets") / "mine.keras"
    made = Experiment(backbone=place, person_backbone=place, weights=Path("w.h5"), segmenter=Path("fcn"))
    assert made == Experiment(
        backbone="nets/mine.keras", person_backbone="nets/mine.keras", weights="w.h5", segmenter="fcn"
    )
    assert Experiment(weights={"resnet50": Path("w.h5")}).weights == {"resnet50": "w.h5"}
    (tmp_path / "config.yaml").write_text(made.to_yaml())
    assert load_experiment(tmp_path / "config.yaml") == made
    with pytest.raises(InputError, match="backbone must be one of"):
        Experiment(backbone=Path("resnet51"))


def test_batch_norm_is_frozen_where_there_are_statistics_to_keep():
    own = {"backbone": "mine.keras"}
    for settings, expected in (
        ({}, "frozen"),
        ({"weights": {"resnet50": "r.h5"}}, "frozen"),
        ({"weights": "none"}, "train"),
        ({"weights": "none", "trainable": "head"}, "frozen"),
        ({"weights": "none", "system": "baseline", **own}, "frozen"),
        ({"weights": "none", "system": "twin", **own}, "frozen"),
        ({"weights": "none", "system": "sister_a", **own}, "train"),
        ({"weights": "none", "person_backbone": "mine.keras", **own}, "frozen"),
        ({"batch_norm": "train"}, "train"),
    ):
        assert Experiment(**settings).batch_norm == expected, settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trainable": "head", "warm_up_epochs": 1}, "warm_up_epochs.*head"),
        ({"trainable": "head", "tower_rate": 0.1}, "tower_rate.*head"),
        ({"warm_up_epochs": 21}, "at most 20"),
        ({"gamma": 1.0}, "focal or asymmetric"),
        ({"system": "baseline", "drop_view": 0.1}, "two towers"),
        ({"system": "masked", "drop_view": 0.1}, "two towers"),
        ({"system": "segmented", "random_background": 0.1}, "whole photo"),
        ({"system": "baseline", "random_background": 0.1}, "person mask"),
    ],
)
def test_settings_without_an_effect_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Experiment(**settings)


def test_places_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Experiment(segmenter="masks:m", weights={"resnet50": "w.h5"}).absolute()
    assert made.segmenter == f"masks:{tmp_path / 'm'}"
    assert made.weights == {"resnet50": str(tmp_path / "w.h5")}
    assert Experiment(segmenter="fcn").absolute().segmenter == str(tmp_path / "fcn")
    assert Experiment(segmenter="my:fcn").absolute().segmenter == str(tmp_path / "my:fcn")
    assert Experiment(segmenter="selfie:s.tflite").absolute().segmenter == f"selfie:{tmp_path / 's.tflite'}"
    assert Experiment().absolute() == Experiment()
    assert Experiment(weights="none").absolute().weights == "none"
    assert made.absolute() == made
