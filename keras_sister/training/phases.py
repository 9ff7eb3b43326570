"""The phases of a training: first the head alone, if so set, then everything that is trainable."""

from collections.abc import Callable
from dataclasses import dataclass

import keras

from keras_sister.config import Experiment
from keras_sister.training.fused_adam import FusedAdam
from keras_sister.training.optimizer import make_optimizer, towers_of


@dataclass(frozen=True)
class Phase:
    """Epochs that are trained with one optimizer.

    Attributes:
        end: the epoch to stop before, counted from 0 over all phases.
        prepare: decides what is trainable and compiles the model; called once, before the first of these epochs.
    """

    end: int
    prepare: Callable[[], None]


def phases_of(
    experiment: Experiment,
    model: keras.Model,
    compile_with: Callable[[keras.optimizers.Optimizer], None],
    *,
    steps: int,
) -> list[Phase]:
    """The phases of an experiment.

    In the first ``warm_up_epochs`` epochs the towers are frozen, at a constant learning rate and without averages of
    weights. Then a new optimizer trains everything that is trainable in `model` now.

    Args:
        experiment: the settings.
        model: as built.
        compile_with: compiles the model with an optimizer, and with new metrics: Keras does not reset those of an
            earlier phase.
        steps: batches per epoch.
    """
    trainable = [(layer, layer.trainable) for tower in towers_of(model) for layer in tower._flatten_layers()]

    def head_alone() -> None:
        for tower in towers_of(model):
            tower.trainable = False
        compile_with(FusedAdam(experiment.learning_rate))

    def everything() -> None:
        for layer, was_trainable in trainable:  # a layer comes after the one that holds it, which sets it too
            layer.trainable = was_trainable
        remaining = experiment.epochs - experiment.warm_up_epochs
        compile_with(make_optimizer(experiment, model, steps=remaining * steps))

    phases = [Phase(experiment.warm_up_epochs, head_alone), Phase(experiment.epochs, everything)]
    starts = [0, experiment.warm_up_epochs]
    return [phase for start, phase in zip(starts, phases, strict=True) if phase.end > start]
