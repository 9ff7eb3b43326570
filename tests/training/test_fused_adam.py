"""The fused update is that of Keras, with everything that Keras's optimizers do around it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sister.training.fused_adam import FusedAdam
from keras_sister.training.optimizer import AdamWithFactors

OPTIONS = {
    "plain": {},
    "others": {"beta_1": 0.7, "beta_2": 0.9, "epsilon": 1e-3},
    "around": {"weight_decay": 0.1, "use_ema": True, "ema_momentum": 0.5, "clipnorm": 0.5},
    "amsgrad": {"amsgrad": True},
}


def trained(optimizer: keras.optimizers.Optimizer, *, jit: bool = False) -> list[np.ndarray]:
    """The variables after five steps on a quadratic, and those of the optimizer."""
    rng = np.random.default_rng(0)
    variables = [keras.Variable(rng.normal(size=shape).astype(np.float32)) for shape in ((3, 4), (5,), ())]
    goals = [rng.normal(size=variable.shape).astype(np.float32) for variable in variables]
    optimizer.build(variables)

    @tf.function(jit_compile=jit)
    def step() -> None:
        optimizer.apply([v.value - goal for v, goal in zip(variables, goals, strict=True)], variables)

    for _ in range(5):
        step()
    return [keras.ops.convert_to_numpy(variable) for variable in [*variables, *optimizer.variables]]


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_the_update_is_that_of_keras(options):
    expected = trained(keras.optimizers.Adam(0.01, **options))
    for a, b in zip(trained(FusedAdam(0.01, **options)), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-7)


def test_with_xla_a_schedule_and_factors():
    schedule = keras.optimizers.schedules.CosineDecay(0.01, decay_steps=4)
    expected = trained(keras.optimizers.Adam(schedule))
    for a, b in zip(trained(AdamWithFactors(schedule, [1, 1, 1]), jit=True), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-7)


def test_it_is_one_operation_a_variable():
    optimizer, variable = FusedAdam(0.01), keras.Variable(np.ones((2, 3), np.float32))
    optimizer.build([variable])
    graph = tf.function(lambda: optimizer.apply([tf.ones((2, 3))], [variable])).get_concrete_function().graph
    kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("ResourceApplyAdam") == 1
    assert "Sqrt" not in kinds
