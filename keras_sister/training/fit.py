"""Fit one model, epoch by epoch, so that interrupted training resumes to the same result."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_sister.errors import InputError
from keras_sister.run import CHECKPOINT, WEIGHTS, OnEvent, best_epoch
from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.regular_files import check_regular
from keras_sister.training.phases import Phase
from keras_sister.training.precision import current_precision


def fit_model(
    model: keras.Model,
    phases: Sequence[Phase],
    batches: Callable[[int], Any],
    *,
    steps: int,
    validation: Any,
    folder: Path,
    on_event: OnEvent,
    has_precision: bool = True,
) -> list[dict[str, float]]:
    """Train `model` and load the weights of its best epoch into it.

    After each epoch the state of model and optimizer is written to ``folder/checkpoint.npz``. If that file exists,
    training continues from it. Because `batches` depends on the epoch only, the result is the same.

    Args:
        model: the phases compile it; with `validation`, with the metric ``macc``.
        phases: see `keras_sister.training.phases`; the last one ends with the last epoch.
        batches: returns the training batches from an epoch on, see `keras_sister.data.batches.training_batches`.
        steps: batches per epoch.
        validation: batches that select the epoch: highest MACC, then lowest loss, then earliest. None keeps the last
            epoch.
        folder: folder of ``checkpoint.npz`` and ``model.weights.h5``.
        on_event: receives an event per step and epoch.
        has_precision: whether the user can choose a precision, which errors then propose.

    Returns:
        A dict per epoch: ``loss``, ``macc`` and, with `validation`, ``val_loss``, ``val_macc``.

    Raises:
        InputError: if a loss or score is not a finite number, naming folder, epoch and step; if the checkpoint or the
            weights in `folder` are damaged, naming the file.
    """
    history = _history(folder / CHECKPOINT)
    start = 0
    for phase in phases:
        if len(history) <= phase.end:
            phase.prepare()
            model.optimizer.build(model.trainable_variables)
            if len(history) > start:
                _restore(model, folder / CHECKPOINT)
            if len(history) < phase.end:
                average = keras.callbacks.SwapEMAWeights() if _optimizer(model).use_ema else None
                finite, kept = _Finite(folder.name, has_precision), _Keep(history, folder, average)
                report = _Report(on_event, steps, phases[-1].end)
                model.fit(
                    batches(len(history)),
                    initial_epoch=len(history),
                    epochs=phase.end,
                    steps_per_epoch=steps,
                    validation_data=validation,
                    shuffle=False,  # the batches are shuffled already
                    callbacks=[*filter(None, [average]), finite, kept, report],
                    verbose=0,
                )
        start = phase.end
    try:
        without_optimizer(model).load_weights(folder / WEIGHTS)  # the file may hold the optimizer of another phase
    except Exception as error:  # h5py raises OSError, KeyError, ValueError, RuntimeError and others
        raise InputError(f"{folder / WEIGHTS}: damaged; remove {folder} and continue with --resume.") from error
    return history


def check_trained(model: keras.Model, task: str, remedy: str) -> None:
    """Check the weights after the last step, whose loss was computed before it changed them.

    Args:
        model: a trained model.
        task: what was trained, for the message.
        remedy: what to try, for the message.

    Raises:
        InputError: if a weight is not a finite number.
    """
    if not all(np.isfinite(keras.ops.convert_to_numpy(keras.ops.cast(w, "float32"))).all() for w in model.weights):
        raise InputError(f"{task}: weights are not finite after the last step; {remedy}, with another --out.")


def without_optimizer(model: keras.Model) -> keras.Model:
    """A functional model of the same layers that is not compiled."""
    return type(model)(model.input, model.output, name=model.name)


class _Finite(keras.callbacks.Callback):
    """End the training at the first loss or score that is not finite: all later ones would be NaN."""

    def __init__(self, task: str, has_precision: bool) -> None:
        super().__init__()
        self.task, self.has_precision = task, has_precision
        self.epoch = self.step = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.step = batch + 1
        self._check(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._check(logs)

    def _check(self, logs: dict[str, float] | None) -> None:
        for name, value in (logs or {}).items():
            if not math.isfinite(value):
                other = f" or choose another --precision (now {current_precision()})" if self.has_precision else ""
                raise InputError(
                    f"{self.task}: {name} is {value} in epoch {self.epoch + 1}, step {self.step}; lower"
                    f" --learning-rate (now {float(self.model.optimizer.learning_rate):g}){other}, with another --out."
                )


class _Keep(keras.callbacks.Callback):
    """Write the weights before the checkpoint: after a kill between them, the epoch is repeated.

    With an average of the weights it is what was validated, and what is kept.
    """

    def __init__(
        self, history: list[dict[str, float]], folder: Path, average: keras.callbacks.SwapEMAWeights | None
    ) -> None:
        super().__init__()
        self.history = history
        self.folder = folder
        self.average = average

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.history.append({name: float(value) for name, value in (logs or {}).items()})
        if best_epoch(self.history) == epoch:
            if self.average:
                self.average.on_test_begin()  # the average takes the place of the weights
            write_atomically(self.folder / WEIGHTS, self.model.save_weights)
            if self.average:
                self.average.on_test_end()
        write_atomically(self.folder / CHECKPOINT, lambda path: _save(self.model, self.history, path))


class _Report(keras.callbacks.Callback):
    def __init__(self, on_event: OnEvent, steps: int, epochs: int) -> None:
        super().__init__()
        self.on_event = on_event
        self.of = {"steps": steps, "epochs": epochs}
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        loss = float((logs or {})["loss"])
        self.on_event({"event": "step", "epoch": self.epoch, "step": batch + 1, "loss": loss, **self.of})

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        scores = {name: float(value) for name, value in (logs or {}).items()}
        self.on_event({"event": "epoch", "epoch": epoch, **scores, **self.of})


def _state(model: keras.Model) -> list[keras.Variable]:
    """Everything that an epoch changes. Unlike ``model.weights``, ``model.variables`` has the seed generators."""
    return [*model.variables, *model.optimizer.variables]


def _save(model: keras.Model, history: list[dict[str, float]], path: Path) -> None:
    arrays = {f"v{i}": keras.ops.convert_to_numpy(variable) for i, variable in enumerate(_state(model))}
    np.savez(path, history=np.array(json.dumps(history)), **arrays)


def _history(path: Path) -> list[dict[str, float]]:
    """The epochs that were trained before the checkpoint was written; none without one."""
    if not path.exists():
        return []
    try:
        check_regular(path)
        with path.open("rb") as contents, np.load(contents, allow_pickle=False) as saved:
            return json.loads(str(saved["history"]))
    except Exception as error:  # NumPy and zipfile raise many kinds for a damaged file
        raise _damaged(path) from error


def _restore(model: keras.Model, path: Path) -> None:
    try:
        check_regular(path)
        with path.open("rb") as contents, np.load(contents, allow_pickle=False) as saved:
            for i, variable in enumerate(_state(model)):
                variable.assign(saved[f"v{i}"])
    except Exception as error:  # NumPy, zipfile and Keras raise many kinds for a damaged file
        raise _damaged(path) from error


def _damaged(path: Path) -> InputError:
    return InputError(f"{path}: damaged; remove it to train from the first epoch again.")


def _optimizer(model: keras.Model) -> keras.optimizers.Optimizer:
    """The optimizer of the weights; Keras wraps it for float16."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)
