"""Train the heads of all folds at once, epoch by epoch, so that interrupted training resumes to the same result."""

import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np

from keras_sister.data.chance import epoch_order, random_draws
from keras_sister.errors import InputError
from keras_sister.run import OnEvent, best_epoch
from keras_sister.schema import Schema
from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.regular_files import check_regular
from keras_sister.training.fold_split import FoldSplit
from keras_sister.training.head_math import photo_losses
from keras_sister.training.stacked_heads import StackedHeads

_BETWEEN_CHECKPOINTS = 90.0  # seconds: a checkpoint, four times the size of all folds' weights, takes seconds to write
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
        self.class_weights = np.stack(class_weights or [equal] * len(folds))
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
        scores = _Scores(self.heads.schema, len(self.folds))
        for step in range(steps):
            here = slice(step * self.batch_size, (step + 1) * self.batch_size)
            rows, present = _padded([order[here] for order in orders], self.batch_size)
            mirror, _ = _padded([flags[here] for flags in mirrors], self.batch_size)
            counts = present.sum(axis=1)
            weights = present if self.weights is None else present * self.weights[rows]
            fold, labels = np.arange(len(rows))[:, None], self.labels[rows]
            of_labels = self._label_weights(fold, labels)
            weights = weights / np.maximum(counts, 1)[:, None]
            losses, logits = self.heads.step(rows, mirror, labels, of_labels, weights, counts > 0)
            for own, loss in zip(self.folds, losses, strict=True):
                _check_finite(own.name, {"loss": loss}, epoch, step)
            scores.add_losses(losses, counts)
            scores.add_answers(counts, logits[present], labels[present])
            loss = float(np.mean(scores.losses()))
            on_event(
                {"event": "step", "epoch": epoch, "epochs": epochs, "step": step + 1, "steps": steps, "loss": loss}
            )
        return scores.results()

    def _label_weights(self, fold: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The weight of each label in its fold's loss, of the shape of `labels`; `fold` is a number for each photo."""
        return self.class_weights[fold[..., None], np.arange(labels.shape[-1]), np.maximum(labels, 0)]

    def _mirrors(self, seed: int, epoch: int, rows: np.ndarray) -> np.ndarray:
        """Whether each photo is mirrored in this epoch: where `keras_sister.data.augment` would flip it."""
        if self.heads.mirrored is None or not len(rows):
            return np.zeros(len(rows), bool)
        return random_draws(seed, epoch, rows)[:, 0] < 0

    def _validate(self, epoch: int) -> list[dict[str, float]]:
        of_folds = [fold.validation for fold in self.folds]
        if not any(map(len, of_folds)):
            return [{} for _ in of_folds]
        scores, blocks = _Scores(self.heads.schema, len(of_folds)), []
        for rows, present in _blocks(of_folds):
            logits, labels = self.heads.logits(rows, best=False), self.labels[rows]
            weights = self._label_weights(np.arange(len(rows))[:, None], labels).astype(logits.dtype)
            losses = keras.ops.convert_to_numpy(photo_losses(self.heads.loss, logits, labels, weights))
            blocks.append([loss[own] for loss, own in zip(losses, present, strict=True)])
            scores.add_answers(present.sum(axis=1), logits[present], labels[present])
        of_photos = [np.concatenate(parts) for parts in zip(*blocks, strict=True)]
        means = np.array([losses.mean(dtype=np.float64) if len(losses) else 0.0 for losses in of_photos])
        for own, loss in zip(self.folds, means, strict=True):
            _check_finite(own.name, {"val_loss": loss}, epoch)
        counts = np.array([len(rows) for rows in of_folds])
        scores.add_losses(means, counts)
        named = [{f"val_{name}": value for name, value in score.items()} for score in scores.results()]
        return [score if count else {} for score, count in zip(named, counts, strict=True)]

    def _predict(self, rows: Sequence[np.ndarray], *, best: bool) -> list[np.ndarray]:
        parts = [[np.zeros((0, self.heads.schema.n_logits), self.heads.dtype)] for _ in rows]
        for padded, present in _blocks(rows):
            for part, own, found in zip(parts, present, self.heads.logits(padded, best=best), strict=True):
                part.append(found[own])
        return [np.concatenate(part) for part in parts]

    def _save(self, path: Path) -> None:
        arrays = {**self.heads.state(), "histories": np.array(json.dumps(self.histories))}
        np.savez(path, **arrays)  # type: ignore[arg-type]  # the stubs take any name for `allow_pickle`

    def _restore(self, checkpoint: Path) -> None:
        if not checkpoint.exists():
            return
        check_regular(checkpoint)
        try:
            with checkpoint.open("rb") as contents, np.load(contents, allow_pickle=False) as saved:
                self.heads.restore(saved)
                self.histories = json.loads(str(saved["histories"]))
        except Exception as error:  # NumPy, zipfile and the backend raise many kinds for a damaged file
            raise InputError(f"{checkpoint}: damaged; remove it to train from the first epoch again.") from error


class _Scores:
    """Loss and MACC of every fold in an epoch so far, as `keras.Model.fit` reports them."""

    def __init__(self, schema: Schema, folds: int) -> None:
        self.schema, self.loss, self.photos = schema, np.zeros(folds), np.zeros(folds, np.int64)
        self.right, self.known = np.zeros((2, folds, len(schema)))

    def add_losses(self, losses: np.ndarray, photos: np.ndarray) -> None:
        """Take the mean loss and the number of photos of each fold's batch, (folds,)."""
        self.loss += losses.astype(np.float64) * photos
        self.photos += photos

    def add_answers(self, photos: np.ndarray, logits: np.ndarray, labels: np.ndarray) -> None:
        """Take the logits and labels of every photo, in the order of the folds, and the number of photos of each."""
        known = labels >= 0
        right = known & (self.schema.predict(logits) == labels)
        ends = np.cumsum(photos)
        self.known += _sums(known, ends)
        self.right += _sums(right, ends)

    def losses(self) -> np.ndarray:
        """The mean loss of every fold, (folds,)."""
        return self.loss / np.maximum(self.photos, 1)

    def results(self) -> list[dict[str, float]]:
        results = []
        for loss, right, known in zip(self.losses(), self.right, self.known, strict=True):
            seen = known > 0
            macc = float((right[seen] / known[seen]).mean()) if seen.any() else 0.0
            results.append({"loss": float(loss), "macc": macc})
        return results


def _sums(flags: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """How many rows are true in each column, (parts, columns), of parts that follow each other and may be empty."""
    so_far = np.vstack([np.zeros_like(flags[:1], np.int64), np.cumsum(flags, axis=0)])
    return np.diff(so_far[ends], axis=0, prepend=0)


def _blocks(rows: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of every fold in blocks of one shape, (folds, at most `_ROWS_AT_ONCE`), as `_padded` gives them."""
    longest = max(map(len, rows))
    width = min(_ROWS_AT_ONCE, longest)
    for start in range(0, longest, _ROWS_AT_ONCE):
        yield _padded([own[start : start + _ROWS_AT_ONCE] for own in rows], width)


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
