"""The optimizer of an experiment: Adam, whose rate may differ between towers and head and over the steps."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_sister.config import Experiment
from keras_sister.training.fused_adam import FusedAdam

_RISE = 0.05
"""Share of the steps in which the cosine schedule first rises to the learning rate."""

_FIRST = 0.1
"""The share of the learning rate from which it rises."""


@keras.saving.register_keras_serializable(package="keras_sister")
class AdamWithFactors(FusedAdam):
    """Adam with a factor of the learning rate for each variable.

    On the TensorFlow and JAX backends.

    Args:
        learning_rate: as in `keras.optimizers.Adam`; the rate where the factor is 1.
        factors: a factor for each trainable variable, in the order in which the optimizer is built with them.
        **kwargs: other arguments of `keras.optimizers.Adam`.
    """

    def __init__(self, learning_rate: Any, factors: Sequence[float], **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.factors = [float(factor) for factor in factors]

    def build(self, variables: Sequence[Any]) -> None:
        """As in Keras.

        Raises:
            ValueError: for another number of variables than of factors.
        """
        if len(variables) != len(self.factors):
            raise ValueError(f"Expected {len(self.factors)} variables, one for each factor. Received: {len(variables)}")
        super().build(variables)

    def factor_of(self, variable: Any) -> float:
        return self.factors[self._get_variable_index(variable)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factors": self.factors}


def make_optimizer(experiment: Experiment, model: keras.Model, *, steps: int) -> keras.optimizers.Optimizer:
    """The optimizer that trains all trainable variables of a model.

    Args:
        experiment: the settings.
        model: built; what is trainable is decided.
        steps: of the whole training, over which the schedule runs.
    """
    rate = learning_rate(experiment, steps)
    averaging = {"use_ema": True, "ema_momentum": experiment.average_weights} if experiment.average_weights else {}
    factors = rate_factors(experiment, model)
    if set(factors) == {1.0}:
        return FusedAdam(rate, **averaging)
    return AdamWithFactors(rate, factors, **averaging)


def learning_rate(experiment: Experiment, steps: int) -> Any:
    """The learning rate of the head: a number, or a schedule over `steps`."""
    if experiment.schedule == "constant":
        return experiment.learning_rate
    rise = max(1, round(_RISE * steps))
    return keras.optimizers.schedules.CosineDecay(
        _FIRST * experiment.learning_rate,
        decay_steps=max(1, steps - rise),
        warmup_target=experiment.learning_rate,
        warmup_steps=rise,
    )


def learning_rates(experiment: Experiment, steps: int) -> np.ndarray:
    """What `learning_rate` is in each of `steps` steps, (steps,), without a graph for each."""
    if experiment.schedule == "constant":
        return np.full(steps, experiment.learning_rate)
    rise, step = max(1, round(_RISE * steps)), np.arange(steps)
    risen = _FIRST + (1 - _FIRST) * step / rise
    fallen = (1 + np.cos(np.pi * np.minimum(1, (step - rise) / max(1, steps - rise)))) / 2
    return experiment.learning_rate * np.where(step < rise, risen, fallen)


def rate_factors(experiment: Experiment, model: keras.Model) -> list[float]:
    """The factor of the learning rate for each trainable variable of a model, in their order.

    1 in the head. In a tower ``tower_rate`` for its last variable and ``tower_rate * first_layer_rate`` for its first,
    geometric between them.
    """
    factors = {id(variable): 1.0 for variable in model.trainable_variables}
    for tower in towers_of(model):
        variables = tower.trainable_variables
        for position, variable in enumerate(variables):
            depth = 1 - position / max(1, len(variables) - 1)  # 1 for the first, 0 for the last
            factors[id(variable)] = experiment.tower_rate * experiment.first_layer_rate**depth
    return [factors[id(variable)] for variable in model.trainable_variables]


def towers_of(model: keras.Model) -> list[keras.Model]:
    """The towers of a model of `keras_sister.models`: its nested models."""
    return [layer for layer in model.layers if isinstance(layer, keras.Model)]
