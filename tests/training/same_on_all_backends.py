"""What is computed on TensorFlow and on JAX from the same stores, to be compared; see test_jax."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_sister.data.batches import training_batches
from keras_sister.data.view_store import ViewStore
from keras_sister.run import Run
from keras_sister.schema import Attribute, Schema
from keras_sister.segmentation.views import make_views
from keras_sister.training.stacked_heads import StackedHeads
from keras_sister.training.tower_features import tower_features
from keras_sister.training.trainer import Trainer
from keras_sister.training.variation import vary_views

from ..harness import to_numpy

SCHEMA = Schema(
    (Attribute("collar"), Attribute("neckline", ("v_shape", "round", "other")), Attribute("gender", ("male", "female")))
)
TRAIN, UNSEEN = np.arange(16), np.arange(16, 24)
PIXELS = {  # how views are made and varied: batch size, edges, background, and what `vary_views` takes
    "paper": (6, "hard", "white", {}),  # the last batch of an epoch is smaller
    "mixed": (4, "soft", "mean", {"drop_view": 0.5}),
    "resized": (4, "soft", "blur", {"random_background": 0.7}),
}


def batches(run: Run, kind: str) -> list[dict[str, np.ndarray]]:
    """The views of two augmented epochs, with the rows."""
    batch_size, edges, background, shares = PIXELS[kind]
    pairs = ViewStore(32, run.views["fingerprint"]).open(run.photo_keys, run.photos)

    def finish(images: dict[str, Any], rows: Any, draws: Any) -> tuple[Any, Any]:
        views = make_views(images, ("photo", "segmented"), background=background, edges=edges)
        return vary_views(views, images, draws, **shares), rows

    plan = {"batch_size": batch_size, "seed": 3, "first_epoch": 1, "epochs": 3, "augmented": True}
    made = training_batches(pairs, TRAIN, **plan, finish=finish)
    is_py = isinstance(made, keras.utils.PyDataset)
    found = [made[number] for number in range(made.num_batches)] if is_py else list(made)
    return [{**to_numpy(views), "rows": np.asarray(rows)} for views, rows in found]


def trained(run: Run, initial: Path, folder: Path) -> tuple[Trainer, list[float]]:
    """A trainer that was fitted from given weights, and the losses of its steps."""
    folder.mkdir()
    trainer, losses = Trainer(run, seed=5), []
    trainer.model.load_weights(initial)

    def note(event: dict[str, Any]) -> None:
        if event["event"] == "step":
            losses.append(event["loss"])

    trainer.fit(TRAIN, UNSEEN, folder=folder, on_event=note)
    return trainer, losses


def features(run: Run, initial: Path) -> dict[str, np.ndarray]:
    """The features of both towers."""
    trainer = Trainer(run, seed=5)
    trainer.model.load_weights(initial)
    plain, mirrored = tower_features(run, trainer.model, lambda event: None)
    return {
        f"{side}{i}": tower for side, some in (("plain", plain), ("mirrored", mirrored)) for i, tower in enumerate(some)
    }


def head_steps(state: dict[str, np.ndarray] | None) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The state of three stacked heads, linear and standardised ones, before and after four steps."""
    before, found = {}, {}
    for kind in ("linear", "standardised"):
        given = {name.removeprefix(f"{kind}-"): array for name, array in (state or {}).items() if name.startswith(kind)}
        for of_all, of_kind in zip((before, found), _head_steps(given, kind == "standardised"), strict=True):
            of_all |= {f"{kind}-{name}": array for name, array in of_kind.items()}
    return before, found


def _head_steps(
    state: dict[str, np.ndarray], standardised: bool
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """In the last of the steps one head has no photos."""
    rng = np.random.default_rng(0)
    inputs = [keras.Input((6,)), keras.Input((6,))]
    last, of_heads = keras.layers.Dense(SCHEMA.n_logits), {"learning_rate": 0.01}
    if standardised:
        head = keras.Model(inputs, last(keras.layers.Add()([keras.layers.Dense(4)(tensor) for tensor in inputs])))
        of_heads = {
            "learning_rate": lambda steps: 0.01 / (1 + steps),
            "standardize_on": np.arange(30).reshape(3, 10) % 20,
        }
    else:
        head = keras.Model(inputs, last(keras.layers.Multiply()(inputs)))
    given = [rng.normal(size=(20, 6)).astype(np.float32) for _ in range(4)]
    heads = StackedHeads(head, SCHEMA, [1, 2, 3], given[:2], given[2:], **of_heads)
    if state:
        heads.restore(state)
    before, found = {name: np.array(array) for name, array in heads.state().items()}, {}
    for step in range(4):
        rows, mirror = rng.integers(0, 20, (3, 5)), rng.random((3, 5)) < 0.5
        labels = rng.integers(-1, [2, 3, 2], (3, 5, 3))
        weights = np.full((3, 5), 0.2)
        weights[2] *= step < 3
        of_labels = rng.uniform(0.5, 2, labels.shape)
        losses, logits = heads.step(rows, mirror, labels, of_labels, weights, weights.any(axis=1))
        heads.keep(losses < 0.9)
        found |= {f"losses{step}": losses, f"logits{step}": logits}
    return before, {**found, **heads.state(), "predicted": heads.logits(rows, best=True)}
