"""Stacked heads beside heads that Keras trains one by one."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sister.data.chance import epoch_order, random_draws
from keras_sister.errors import InputError
from keras_sister.losses import MaskedAttributeLoss, class_weight_table
from keras_sister.metrics import AttributeAccuracy
from keras_sister.models import SYSTEMS, build
from keras_sister.models.frozen import head_of, towers_of
from keras_sister.run import best_epoch
from keras_sister.schema import Attribute, Schema
from keras_sister.training import head_trainer
from keras_sister.training.fold_split import FoldSplit
from keras_sister.training.head_trainer import HeadTrainer
from keras_sister.training.stacked_heads import StackedHeads, new_head

PHOTOS, EPOCHS, BATCH = 50, 4, 8
SCHEMA = Schema([Attribute("scarf", ("no", "yes")), Attribute("neckline", ("v", "round", "other"))])
LABELS = np.random.default_rng(0).integers(-1, [2, 3], (PHOTOS, 2))
SPLITS = [  # of different lengths: the last batches of the folds differ, and fold-2 ends a step earlier
    FoldSplit("fold-00", np.arange(0, 33), np.arange(33, 41), 1),
    FoldSplit("fold-01", np.arange(17, 50), np.arange(0, 9), 2),
    FoldSplit("fold-02", np.arange(20, 43), np.arange(0, 15), 3),
]
LONGEST = max(len(split.validation) for split in SPLITS)


def two_inputs(join: type[keras.layers.Layer]) -> keras.Model:
    """A linear head, as that of Sister-B."""
    inputs = [keras.Input((6,)), keras.Input((6,))]
    return keras.Model(inputs, keras.layers.Dense(SCHEMA.n_logits)(join()(inputs)))


def two_layers() -> keras.Model:
    """A head as that of Sister-A, with fewer units."""
    inputs = [keras.Input((6,)), keras.Input((6,))]
    added = keras.layers.Add()([keras.layers.Dense(5, activation="relu")(tensor) for tensor in inputs])
    return keras.Model(inputs, keras.layers.Dense(SCHEMA.n_logits)(added))


def features(widths: Sequence[int], seed: int = 0) -> list[np.ndarray]:
    return [np.random.default_rng([seed, i]).normal(size=(PHOTOS, width)) for i, width in enumerate(widths)]


def trained(head: keras.Model, given: list[np.ndarray], tmp_path: Path, **more: object) -> HeadTrainer:
    settings = {"mirrored": None, "learning_rate": 0.02, "dtype": "float32", "epochs": EPOCHS} | more
    of_trainer = {name: settings.pop(name, None) for name in ("weights", "class_weights")}
    epochs = settings.pop("epochs")
    heads = StackedHeads(head, SCHEMA, [split.seed for split in SPLITS], given, **settings)
    trainer = HeadTrainer(heads, SPLITS, LABELS, batch_size=BATCH, **of_trainer)
    trainer.fit(epochs=epochs, checkpoint=tmp_path / "heads.npz", on_event=lambda event: None)
    return trainer


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_linear_heads_end_as_keras_fit_trains_each(tmp_path, weighted):
    head, given = two_inputs(keras.layers.Multiply), features([6, 6])
    weights = np.random.default_rng(1).uniform(0.2, 3, PHOTOS) if weighted else None
    if weights is not None:
        weights[epoch_order(SPLITS[1].seed, 1, SPLITS[1].train)[BATCH : 2 * BATCH]] = 0  # a whole batch of a fold
    of_classes = [{"scarf": [1.0, 2.0 + fold], "neckline": [0.5, 3.0, 1.0]} if weighted else {} for fold in range(3)]
    tables = [class_weight_table(SCHEMA, of_fold) for of_fold in of_classes]
    trainer = trained(head, given, tmp_path, weights=weights, class_weights=tables)
    for number, split in enumerate(SPLITS):
        if weighted or number == 0:  # losses differ
            loss = MaskedAttributeLoss(SCHEMA, class_weights=of_classes[number])
            alone = new_head(head, split.seed, "float32")
            # Without XLA, which takes longer to compile the step than Keras to train.
            alone.compile(keras.optimizers.Adam(), loss, metrics=[AttributeAccuracy(SCHEMA)], jit_compile=False)
            alone.optimizer.build(alone.trainable_variables)  # else the step is traced once more
        begin(alone, alone.optimizer, new_head(head, split.seed, "float32"), rate=0.02)
        kept = _KeepBest()
        alone.fit(
            batches(split, given, weights),
            epochs=EPOCHS,
            steps_per_epoch=-(-len(split.train) // BATCH),
            validation_data=([tower[split.validation] for tower in given], LABELS[split.validation]),
            callbacks=[kept],
            shuffle=False,
            verbose=0,
        )
        for ours, theirs in zip(trainer.histories[number], kept.history, strict=True):
            assert ours == pytest.approx(theirs, abs=1e-5)
        assert best_epoch(trainer.histories[number]) == best_epoch(kept.history)
        for ours, theirs in zip(trainer.heads.best_weights(number), kept.weights, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)
        alone.set_weights(kept.weights)
        np.testing.assert_allclose(
            trainer.predict([split.validation] * 3)[number],
            alone([tower[split.validation] for tower in given]),
            atol=1e-5,
        )


def begin(alone: keras.Model, optimizer: keras.optimizers.Adam, initial: keras.Model, rate: float) -> None:
    """Take the weights of another head, and an optimizer's state before its first step; what was traced stays."""
    alone.set_weights(initial.get_weights())
    for variable in optimizer.variables:
        variable.assign(keras.ops.zeros_like(variable))
    optimizer.learning_rate = rate


def batches(split: FoldSplit, given: list[np.ndarray], weights: np.ndarray | None) -> Iterator[tuple[object, ...]]:
    """What Keras trains on in all epochs."""
    for epoch in range(EPOCHS):
        order = epoch_order(split.seed, epoch, split.train)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            photos = tuple(tower[rows] for tower in given), LABELS[rows]
            yield photos if weights is None else (*photos, weights[rows])


class _KeepBest(keras.callbacks.Callback):
    """The scores of every epoch, and the weights of the best."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[dict[str, float]] = []
        self.weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        self.history.append(dict(logs))
        if best_epoch(self.history) == epoch:
            self.weights = self.model.get_weights()


def standardised(inputs: list[np.ndarray], rows: np.ndarray) -> list[np.ndarray]:
    """With mean 0 over some photos, divided by the root of a channel's variance plus the mean variance of all."""
    variances = [x[rows].var(axis=0) for x in inputs]
    return [
        (x - x[rows].mean(axis=0)) / np.sqrt(of_channels + of_channels.mean() + 1e-3)
        for x, of_channels in zip(inputs, variances, strict=True)
    ]


@dataclass(frozen=True)
class Alone:
    """A system's head, and a copy in double precision with a step of Keras's optimizer: traced once for all batches."""

    head: keras.Model
    model: keras.Model
    optimizer: keras.optimizers.Adam
    step: Callable[[np.ndarray, list[np.ndarray]], None]
    initial: Callable[[int], keras.Model]
    """New heads by their seeds."""

    @classmethod
    def of(cls, system: str, tiny: str) -> Self:
        head = head_of(build(system, SCHEMA, backbone=tiny, person_backbone=tiny, weights="none", size=32))
        model, optimizer = new_head(head, 0, "float64"), keras.optimizers.Adam()
        variables, loss = model.trainable_variables, MaskedAttributeLoss(SCHEMA, reduction=None)
        optimizer.build(variables)
        shapes = [tf.TensorSpec((None, tensor.shape[1]), tf.float64) for tensor in head.inputs]

        @tf.function(input_signature=[tf.TensorSpec((None, len(SCHEMA)), tf.int64), shapes], autograph=False)
        def step(labels: tf.Tensor, inputs: list[tf.Tensor]) -> None:
            with tf.GradientTape() as tape:
                value = tf.reduce_mean(loss.call(labels, model(inputs)))
            optimizer.apply(tape.gradient(value, variables), variables)

        return cls(head, model, optimizer, step, functools.cache(lambda seed: new_head(head, seed, "float64")))


@pytest.fixture(scope="module")
def alone_of(tiny: str) -> Callable[[str], Alone]:
    return functools.cache(lambda system: Alone.of(system, tiny))


@pytest.mark.parametrize(
    ("system", "standardize"),
    [(system, False) for system in SYSTEMS] + [(system, True) for system in SYSTEMS if system != "sister_b"],
)
def test_every_systems_heads_in_double_precision_end_as_each_alone(system, standardize, alone_of, tmp_path):
    """Standardised ones by a schedule, and with weights that take the features as they are."""
    alone, steps = alone_of(system), 2 * 5  # of the longest fold
    given, rates = features([tensor.shape[1] for tensor in alone.head.inputs]), np.full(steps + 1, 0.003)
    more = {"learning_rate": 0.003}
    if standardize:
        given = [np.float32(3 * tower + 2).astype(np.float64) for tower in given]  # Keras rounds features to float32
        schedule = keras.optimizers.schedules.CosineDecay(0.003, decay_steps=12)
        rates = np.array([float(schedule(step)) for step in range(steps + 1)])
        more = {"learning_rate": lambda taken: rates[taken], "standardize_on": [split.train for split in SPLITS]}
    trainer = trained(alone.head, given, tmp_path, **{"dtype": "float64", "epochs": 2, **more})
    for number in (0, 2):  # those whose numbers of steps differ
        split = SPLITS[number]
        begin(alone.model, alone.optimizer, alone.initial(split.seed), rates[0])
        inputs = standardised(given, split.train) if standardize else given
        kept = None
        for epoch in range(2):
            rows = epoch_order(split.seed, epoch, split.train)
            for start in range(0, len(rows), BATCH):
                batch = rows[start : start + BATCH]
                alone.optimizer.learning_rate = rates[int(alone.optimizer.iterations)]
                alone.step(LABELS[batch], [tower[batch] for tower in inputs])
            if best_epoch(trainer.histories[number][: epoch + 1]) == epoch:
                kept = alone.model.get_weights()
        found = trainer.heads.best_weights(number)
        assert {weight.dtype for weight in found} == {np.dtype("float64")}
        if not standardize:
            for ours, theirs in zip(found, kept, strict=True):
                np.testing.assert_allclose(ours, theirs, atol=1e-9)
        alone.model.set_weights(kept)
        expected = np.array(alone.model(inputs))
        # As many photos at once as in the validation, for which all is traced already; the last ones overlap.
        starts = [*range(0, PHOTOS - LONGEST, LONGEST), PHOTOS - LONGEST]
        found_of_photos = {}
        for start in starts:
            rows = np.arange(start, start + LONGEST)
            found_of_photos.update(zip(rows, trainer.predict([rows] * 3)[number], strict=True))
        np.testing.assert_allclose([found_of_photos[row] for row in range(PHOTOS)], expected, atol=1e-9)
        alone.model.set_weights(found)
        np.testing.assert_allclose(alone.model(given), expected, atol=1e-6)


@pytest.mark.parametrize("channels", [[2], range(6)], ids=["one channel", "a tower"])
def test_what_never_varies_is_not_blown_up(channels):
    given = features([6, 6])
    given[0][:, channels] = 5.0
    heads = StackedHeads(
        two_layers(),
        SCHEMA,
        [1, 2, 3],
        given,
        None,
        learning_rate=0.01,
        standardize_on=[split.train for split in SPLITS],
    )
    given[0][:, channels] = 5.1  # as a photo of the test fold may
    logits = heads.logits(np.tile(np.arange(PHOTOS), (3, 1)), best=False)
    assert np.isfinite(logits).all()
    assert np.abs(logits).max() < 100


def test_only_dense_layers_can_take_standardised_features():
    head = two_inputs(keras.layers.Multiply)
    with pytest.raises(ValueError, match="Expected dense layers with biases"):
        StackedHeads(head, SCHEMA, [1], features([6, 6]), None, learning_rate=0.01, standardize_on=[np.arange(9)])


def test_mirrored_features_are_taken_where_the_photo_would_be_flipped(tmp_path):
    """Training on mirrored features alone, where every photo is flipped by chance, needs the flags to be the same."""
    head, plain = two_inputs(keras.layers.Add), features([6, 6])
    mirrored = features([6, 6], seed=9)
    trainer = trained(head, plain, tmp_path, mirrored=mirrored, epochs=1)
    split = SPLITS[0]
    rows = epoch_order(split.seed, 0, split.train)
    flips = random_draws(split.seed, 0, rows)[:, 0] < 0  # as `augment` does
    assert 0 < flips.sum() < len(rows)
    alone = new_head(head, split.seed, "float32")
    alone.compile(keras.optimizers.Adam(0.02), loss=MaskedAttributeLoss(SCHEMA), jit_compile=False)
    alone.optimizer.build(alone.trainable_variables)
    mixed = [np.where(flips[:, None], b[rows], a[rows]) for a, b in zip(plain, mirrored, strict=True)]
    alone.fit(mixed, LABELS[rows], batch_size=BATCH, shuffle=False, verbose=0)
    for ours, theirs in zip(trainer.heads.best_weights(0), alone.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_training_that_was_cut_off_ends_with_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(head_trainer, "_BETWEEN_CHECKPOINTS", 0.0)
    head, given = two_inputs(keras.layers.Multiply), features([6, 6])
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    whole = trained(head, given, tmp_path / "a")

    def cut_off(event):
        if event["event"] == "step" and (event["epoch"], event["step"]) == (2, 3):
            raise KeyboardInterrupt

    heads = StackedHeads(head, SCHEMA, [1, 2, 3], given, None, learning_rate=0.02)
    with pytest.raises(KeyboardInterrupt):
        HeadTrainer(heads, SPLITS, LABELS, batch_size=BATCH).fit(
            epochs=EPOCHS, checkpoint=tmp_path / "b" / "heads.npz", on_event=cut_off
        )
    resumed = trained(head, given, tmp_path / "b")
    assert resumed.histories == whole.histories
    for number in range(3):
        for a, b in zip(whole.heads.best_weights(number), resumed.heads.best_weights(number), strict=True):
            assert a.tobytes() == b.tobytes()


def test_a_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / "heads.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(InputError, match=r"heads\.npz: damaged; remove it"):
        trained(two_inputs(keras.layers.Add), features([6, 6]), tmp_path)


def test_a_loss_that_is_not_finite_ends_the_training_naming_fold_and_step(tmp_path):
    given = features([6, 6])
    given[0][30], given[1][30] = 1e25, 1e25  # whose product is no float32, in every fold
    with pytest.raises(InputError, match=r"fold-0\d: loss is (nan|inf) in epoch 1, step \d; lower --learning-rate"):
        trained(two_inputs(keras.layers.Multiply), given, tmp_path)


@pytest.fixture(scope="module")
def two_maps() -> keras.Model:
    """A network that makes maps of two sizes: two levels."""
    keras.utils.set_random_seed(0)
    pixels = keras.Input((32, 32, 3))
    first = keras.layers.Conv2D(4, 4, strides=4, activation="relu")(keras.layers.Rescaling(1 / 255)(pixels))
    return keras.Model(pixels, keras.layers.Conv2D(6, 2, strides=2)(first))


@pytest.mark.parametrize("levels", ["last", "all"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_towers_and_head_are_the_whole_model(system, levels, two_maps):
    keras.utils.set_random_seed(0)
    model = build(system, SCHEMA, backbone=two_maps, person_backbone=two_maps, size=32, levels=levels)
    rng = np.random.default_rng(0)
    views = {tensor.name: rng.integers(0, 256, (3, *tensor.shape[1:])).astype(np.uint8) for tensor in model.inputs}
    pooled = [tower.model({view: views[view] for view in tower.views}) for tower in towers_of(model)]
    assert {features.shape[1] for features in pooled} == {6 if levels == "last" else 4 + 6}
    np.testing.assert_allclose(head_of(model)(pooled), model(views), atol=1e-5)
