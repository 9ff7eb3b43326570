"""Fine-tuning: what is trained when, at which rate, and that interrupted training ends with the same bits."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sister.config import Experiment
from keras_sister.losses import MaskedAttributeLoss
from keras_sister.metrics import AttributeAccuracy
from keras_sister.run import best_epoch
from keras_sister.schema import Attribute, Schema
from keras_sister.training.fit import fit_model
from keras_sister.training.fold_split import FoldSplit
from keras_sister.training.one_pass import _Rates
from keras_sister.training.optimizer import learning_rate, learning_rates, rate_factors, towers_of
from keras_sister.training.phases import phases_of
from keras_sister.training.trainer import build_model

SCHEMA = Schema((Attribute("scarf"), Attribute("neckline", ("v", "round", "other"))))
SETTINGS = {"system": "baseline", "size": 32, "epochs": 3, "batch_size": 4, "learning_rate": 1e-3}
RNG = np.random.default_rng(0)
PHOTOS = RNG.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
LABELS = np.stack([RNG.integers(0, 2, 8), RNG.integers(0, 3, 8)], axis=1)
STEPS = 2


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """A tower of two convolutions with batch normalization."""
    keras.utils.set_random_seed(1)
    layers = [
        keras.layers.Conv2D(4, 3, strides=4),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.Conv2D(8, 3),
    ]
    file = tmp_path_factory.mktemp("backbone") / "small.keras"
    keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Rescaling(1 / 255), *layers]).save(file)
    return Experiment(backbone=str(file), **SETTINGS)


def batches(first_epoch: int) -> tf.data.Dataset:
    """The same order in every epoch."""
    data = tf.data.Dataset.from_tensor_slices(({"photo": PHOTOS}, LABELS)).batch(4)
    return data.repeat(10).skip(STEPS * first_epoch)


def train(experiment: Experiment, folder: Path, on_event=lambda model, event: None) -> tuple[keras.Model, list]:
    folder.mkdir(exist_ok=True)
    keras.utils.set_random_seed(0)
    model = build_model(experiment, SCHEMA)

    def compile_with(optimizer: keras.optimizers.Optimizer) -> None:
        model.compile(optimizer, loss=MaskedAttributeLoss(SCHEMA), metrics=[AttributeAccuracy(SCHEMA)])

    history = fit_model(
        model,
        phases_of(experiment, model, compile_with, steps=STEPS),
        batches,
        steps=STEPS,
        validation=tf.data.Dataset.from_tensors(({"photo": PHOTOS}, LABELS)),
        folder=folder,
        on_event=lambda event: on_event(model, event),
    )
    return model, history


def weights_by_part(model: keras.Model) -> dict[str, np.ndarray]:
    """The weights of head, of the towers' batch normalization, and of the rest of the towers, each in one array."""
    tower = towers_of(model)[0]
    norm = [
        w
        for layer in tower._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
        for w in layer.weights
    ]
    ids = {part: {id(w) for w in ws} for part, ws in {"norm": norm, "tower": tower.weights}.items()}
    parts: dict[str, list[np.ndarray]] = {"head": [], "norm": [], "tower": []}
    for weight in model.weights:
        part = "norm" if id(weight) in ids["norm"] else "tower" if id(weight) in ids["tower"] else "head"
        parts[part].append(keras.ops.convert_to_numpy(weight).ravel())
    return {part: np.concatenate(arrays) for part, arrays in parts.items()}


def changes(experiment: Experiment, folder: Path) -> list[set[str]]:
    """The parts that each epoch changes."""
    seen: list[dict[str, np.ndarray]] = []

    def look(model: keras.Model, event: dict) -> None:
        if event["event"] == "epoch":
            seen.append(weights_by_part(model))

    keras.utils.set_random_seed(0)
    before = weights_by_part(build_model(experiment, SCHEMA))
    train(experiment, folder, look)
    return [
        {part for part in then if (then[part] != now[part]).any()}
        for then, now in zip([before, *seen], seen, strict=False)
    ]


def test_the_head_is_trained_first_and_batch_norm_never_or_last(small, tmp_path):
    frozen = replace(small, warm_up_epochs=1)
    assert changes(frozen, tmp_path / "a") == [{"head"}, {"head", "tower"}, {"head", "tower"}]
    trained = replace(small, warm_up_epochs=2, batch_norm="train")
    assert changes(trained, tmp_path / "b") == [{"head"}, {"head"}, {"head", "tower", "norm"}]


def test_each_part_learns_at_its_rate(small, tmp_path):
    """Adam's first step changes every weight with a gradient by its learning rate."""
    experiment = replace(small, epochs=1, batch_size=8, tower_rate=0.1, first_layer_rate=0.25)
    keras.utils.set_random_seed(0)
    model = build_model(experiment, SCHEMA)
    before = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    after = []

    def look(model: keras.Model, event: dict) -> None:
        if event["event"] == "step" and event["step"] == 1:
            after.extend(keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables)

    train(experiment, tmp_path / "run", look)
    factors = rate_factors(experiment, model)
    towers = len(towers_of(model)[0].trainable_variables)
    np.testing.assert_allclose(factors[:towers], np.geomspace(0.025, 0.1, towers))
    assert factors[towers:] == [1.0] * 4
    found = [np.abs(new - old).max() for old, new in zip(before, after, strict=True)]
    np.testing.assert_allclose(found, 1e-3 * np.array(factors), rtol=2e-2)


def test_the_cosine_schedule_rises_and_falls_to_nothing(small):
    schedule = learning_rate(replace(small, schedule="cosine"), 200)
    steps = np.arange(201)
    rise, fall = 1e-3 * (0.1 + 0.9 * steps / 10), 1e-3 * (1 + np.cos(np.pi * (steps - 10) / 190)) / 2
    found = [float(schedule(step)) for step in steps]
    np.testing.assert_allclose(found, np.where(steps < 10, rise, fall), atol=1e-9)
    assert learning_rate(small, 200) == 1e-3


@pytest.mark.parametrize("steps", [1, 2, 7, 160])
def test_the_rates_of_stacked_heads_are_those_of_the_schedule(small, steps):
    cosine = replace(small, schedule="cosine")
    schedule = learning_rate(cosine, steps)
    np.testing.assert_allclose(
        learning_rates(cosine, steps), [float(schedule(step)) for step in range(steps)], rtol=1e-5, atol=1e-10
    )
    assert learning_rates(small, steps).tolist() == [1e-3] * steps


def test_each_fold_runs_through_the_schedule_in_its_own_steps(small):
    cosine = replace(small, schedule="cosine", epochs=3, batch_size=8)
    rows = np.arange(40)
    rates = _Rates(cosine, [FoldSplit("long", rows[:33], rows[:0], 1), FoldSplit("short", rows[:24], rows[:0], 2)])
    of_long, of_short = learning_rates(cosine, 15), learning_rates(cosine, 9)
    np.testing.assert_allclose(rates(np.array([4, 3])), [of_long[4], of_short[3]])
    np.testing.assert_allclose(rates(np.array([14, 8])), [of_long[-1], of_short[-1]])
    assert np.isfinite(rates(np.array([15, 9]))).all()  # after the last step


def test_the_average_of_the_weights_is_validated_and_kept(small, tmp_path):
    experiment = replace(small, average_weights=0.7, warm_up_epochs=1, learning_rate=1e-2)
    steps: list[np.ndarray] = []

    def look(model: keras.Model, event: dict) -> None:
        if event["event"] == "step" and event["epoch"] >= 1:
            steps.append(np.concatenate(list(weights_by_part(model).values())))

    model, history = train(experiment, tmp_path / "run", look)
    averages = [steps[0]]
    for step in steps[1:]:
        averages.append(0.7 * averages[-1] + 0.3 * step)
    best = best_epoch(history)
    assert best >= 1
    kept = np.concatenate(list(weights_by_part(model).values()))
    np.testing.assert_allclose(kept, averages[STEPS * best - 1], atol=1e-6)
    assert np.abs(kept - steps[STEPS * best - 1]).max() > 1e-4
    logits = model.predict({"photo": PHOTOS}, verbose=0)
    assert (SCHEMA.predict(logits) == LABELS).mean(axis=0).mean() == pytest.approx(history[best]["val_macc"])
    assert float(MaskedAttributeLoss(SCHEMA)(LABELS, logits)) == pytest.approx(history[best]["val_loss"], rel=1e-4)


def test_training_that_was_interrupted_anywhere_ends_with_the_same_bits(small, tmp_path):
    experiment = replace(
        small,
        epochs=3,
        warm_up_epochs=1,
        average_weights=0.5,
        schedule="cosine",
        tower_rate=0.5,
        batch_norm="train",
    )
    model, whole = train(experiment, tmp_path / "whole")
    weights = model.get_weights()
    for epoch in (0, 1):  # at the end of the first phase, and in the second

        def kill(model: keras.Model, event: dict, epoch: int = epoch) -> None:
            if event["event"] == "epoch":
                assert event["epoch"] == epoch  # it went on where it was killed before
                raise KilledError

        with pytest.raises(KilledError):
            train(experiment, tmp_path / "killed", kill)
    model, resumed = train(experiment, tmp_path / "killed")
    assert resumed == whole
    for found, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(found, expected)
