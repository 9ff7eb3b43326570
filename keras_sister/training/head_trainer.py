"""Train the heads of all folds at once, epoch by epoch, so that interrupted training resumes to the same result."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np

from keras_sister.data.chance import epoch_order, random_draws
from keras_sister.errors import InputError
from keras_sister.run import OnEvent, best_epoch
from keras_sister.schema import Schema
from keras_sister.storage.atomic import write_atomically
from keras_sister.training.fold_split import FoldSplit
from keras_sister.training.stacked_heads import StackedHeads

_BETWEEN_CHECKPOINTS = 30.0  # seconds: a checkpoint is four times the size of all folds' weights
_ROWS_AT_ONCE = 256  # photos of each fold that are predicted together


class HeadTrainer:
    """Trains stacked heads; each fold has its own order of photos, validation split and best epoch.

    Args:
        heads: the heads to train, one for each of `folds`.
        folds: what each trains on.
        labels: int array (photos, attributes), −1 = unknown.
        batch_size: photos per step and fold.
        weights: weight of each photo in the loss, (photos,); None for equal weights.
        class_weights: for each fold, float array (attributes, classes): the weight of each label in the loss; None for
            equal weights.
    """

    def __init__(
        self,
        heads: StackedHeads,
        folds: Sequence[FoldSplit],
        labels: np.ndarray,
        *,
        batch_size: int,
        weights: np.ndarray | None = None,
        class_weights: Sequence[np.ndarray] | None = None,
    ) -> None:
        equal = np.ones((len(heads.schema), max(len(attribute.classes) for attribute in heads.schema)))
        self.class_weights = class_weights or [equal] * len(folds)
        self.heads, self.folds, self.labels, self.weights = heads, folds, labels, weights
        # Every batch has as many places, so that the step is compiled once.
        self.batch_size = min(batch_size, max(len(fold.train) for fold in folds))
        self.histories: list[list[dict[str, float]]] = [[] for _ in folds]

    def fit(self, *, epochs: int, checkpoint: Path, on_event: OnEvent) -> None:
        """Train, and keep each fold's weights of its best epoch.

        After a kill the training goes on from `checkpoint`, if it was written, and ends with the same weights.

        Raises:
            InputError: if a loss or score is not a finite number, naming fold, epoch and step; if the checkpoint is
                damaged.
        """
        self._restore(checkpoint)
        saved = time.monotonic()
        for epoch in range(len(self.histories[0]), epochs):
            trained = self._train_epoch(epoch, epochs, on_event)
            validated = self._validate(epoch)
            for history, seen, unseen in zip(self.histories, trained, validated, strict=True):
                history.append(seen | unseen)
            self.heads.keep(np.array([best_epoch(history) == epoch for history in self.histories]))
            names = set.intersection(*(set(history[-1]) for history in self.histories))
            mean = {name: float(np.mean([history[-1][name] for history in self.histories])) for name in sorted(names)}
            on_event({"event": "epoch", "epoch": epoch, "epochs": epochs, **mean})
            if epoch + 1 < epochs and time.monotonic() - saved > _BETWEEN_CHECKPOINTS:
                write_atomically(checkpoint, self._save)
                saved = time.monotonic()

    def predict(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Logits of each fold's own rows, by the weights of its best epoch: float array (rows, n_logits) a fold."""
        return self._predict(rows, best=True)

    def _train_epoch(self, epoch: int, epochs: int, on_event: OnEvent) -> list[dict[str, float]]:
        orders = [epoch_order(fold.seed, epoch, fold.train) for fold in self.folds]
        mirrors = [self._mirrors(fold.seed, epoch, order) for fold, order in zip(self.folds, orders, strict=True)]
        steps = math.ceil(max(map(len, orders)) / self.batch_size)
        scores = [_Scores(self.heads.schema) for _ in self.folds]
        for step in range(steps):
            here = slice(step * self.batch_size, (step + 1) * self.batch_size)
            rows, present = _padded([order[here] for order in orders], self.batch_size)
            mirror, _ = _padded([flags[here] for flags in mirrors], self.batch_size)
            counts = present.sum(axis=1)
            weights = present if self.weights is None else present * self.weights[rows]
            labels = self.labels[rows]
            of_labels = np.stack([self._label_weights(number, own) for number, own in enumerate(labels)])
            losses, logits = self.heads.step(rows, mirror, labels, of_labels, weights / np.maximum(counts, 1)[:, None])
            for number, score in enumerate(scores):
                own = present[number]
                _check_finite(self.folds[number].name, {"loss": losses[number]}, epoch, step)
                score.add(losses[number], logits[number][own], labels[number][own])
            loss = float(np.mean([score.result()["loss"] for score in scores]))
            on_event(
                {"event": "step", "epoch": epoch, "epochs": epochs, "step": step + 1, "steps": steps, "loss": loss}
            )
        return [score.result() for score in scores]

    def _label_weights(self, fold: int, labels: np.ndarray) -> np.ndarray:
        """The weight of each label in a fold's loss, (rows, attributes)."""
        return self.class_weights[fold][np.arange(labels.shape[1]), np.maximum(labels, 0)]

    def _mirrors(self, seed: int, epoch: int, rows: np.ndarray) -> np.ndarray:
        """Whether each photo is mirrored in this epoch: where `keras_sister.data.augment` would flip it."""
        if self.heads.mirrored is None or not len(rows):
            return np.zeros(len(rows), bool)
        return random_draws(seed, epoch, rows)[:, 0] < 0

    def _validate(self, epoch: int) -> list[dict[str, float]]:
        rows = [fold.validation for fold in self.folds]
        results: list[dict[str, float]] = []
        for number, (fold, logits) in enumerate(zip(self.folds, self._predict(rows, best=False), strict=True)):
            score, own = _Scores(self.heads.schema), fold.validation
            if len(own):
                labels = (self.labels[own], self._label_weights(number, self.labels[own]).astype(logits.dtype))
                losses = keras.ops.convert_to_numpy(self.heads.loss.call(labels, logits))
                _check_finite(fold.name, {"val_loss": losses.mean()}, epoch)
                score.add(losses.mean(dtype=np.float64), logits, self.labels[own])
                results.append({f"val_{name}": value for name, value in score.result().items()})
            else:
                results.append({})
        return results

    def _predict(self, rows: Sequence[np.ndarray], *, best: bool) -> list[np.ndarray]:
        longest = max(map(len, rows))
        width = min(_ROWS_AT_ONCE, longest)
        parts = [[np.zeros((0, self.heads.schema.n_logits), self.heads.dtype)] for _ in rows]
        for start in range(0, longest, _ROWS_AT_ONCE):
            padded, present = _padded([own[start : start + _ROWS_AT_ONCE] for own in rows], width)
            for part, own, found in zip(parts, present, self.heads.logits(padded, best=best), strict=True):
                part.append(found[own])
        return [np.concatenate(part) for part in parts]

    def _save(self, path: Path) -> None:
        arrays = {**self.heads.state(), "histories": np.array(json.dumps(self.histories))}
        np.savez(path, **arrays)  # type: ignore[arg-type]  # the stubs take any name for `allow_pickle`

    def _restore(self, checkpoint: Path) -> None:
        if not checkpoint.exists():
            return
        try:
            with checkpoint.open("rb") as contents, np.load(contents, allow_pickle=False) as saved:
                self.heads.restore(saved)
                self.histories = json.loads(str(saved["histories"]))
        except Exception as error:  # NumPy, zipfile and the backend raise many kinds for a damaged file
            raise InputError(f"{checkpoint}: damaged; remove it to train from the first epoch again.") from error


@dataclass
class _Scores:
    """Loss and MACC of an epoch so far, as `keras.Model.fit` reports them."""

    schema: Schema
    loss: float = 0.0
    photos: int = 0
    right: np.ndarray = field(init=False)
    known: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.right, self.known = np.zeros(len(self.schema)), np.zeros(len(self.schema))

    def add(self, loss: float, logits: np.ndarray, labels: np.ndarray) -> None:
        """Take the mean loss, the logits and the labels of a batch."""
        known = labels >= 0
        self.loss += float(loss) * len(labels)
        self.photos += len(labels)
        self.known += known.sum(axis=0)
        self.right += (known & (self.schema.predict(logits) == labels)).sum(axis=0)

    def result(self) -> dict[str, float]:
        seen = self.known > 0
        macc = float((self.right[seen] / self.known[seen]).mean()) if seen.any() else 0.0
        return {"loss": self.loss / max(self.photos, 1), "macc": macc}


def _padded(parts: Sequence[np.ndarray], width: int) -> tuple[np.ndarray, np.ndarray]:
    """Arrays of different lengths as rows of one, padded with zeros, and which of its places are theirs."""
    padded = np.zeros((len(parts), width), parts[0].dtype)
    present = np.zeros((len(parts), width), bool)
    for row, part in enumerate(parts):
        padded[row, : len(part)] = part
        present[row, : len(part)] = True
    return padded, present


def _check_finite(name: str, scores: dict[str, float], epoch: int, step: int | None = None) -> None:
    place = f"epoch {epoch + 1}" + ("" if step is None else f", step {step + 1}")
    for score, value in scores.items():
        if not math.isfinite(value):
            raise InputError(f"{name}: {score} is {value} in {place}; lower --learning-rate, with another --out.")
