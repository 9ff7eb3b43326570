"""Adam with one operation of TensorFlow a variable."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_sister")
class FusedAdam(keras.optimizers.Adam):
    """``keras.optimizers.Adam`` that reads and writes each variable once a step, on the TensorFlow backend.

    Keras writes the update out as a dozen operations, each of which reads and writes arrays of the variable's size. The
    formula and the variables are the same; the results differ by rounding. On other backends, and with ``amsgrad``, it
    is Keras's.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._of_step: dict[Any, Any] = {}  # what a step makes once for several variables

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """As in Keras."""
        try:
            super().apply(grads, trainable_variables)
        finally:
            self._of_step = {}  # of another step, and perhaps of another graph

    def factor_of(self, variable: Any) -> float:
        """What the learning rate is multiplied by for a variable."""
        return 1.0

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """As in Keras, with the `factor_of` the variable."""
        factor = self.factor_of(variable)
        if keras.backend.backend() != "tensorflow" or self.amsgrad or variable.dtype != "float32":
            super().update_step(gradient, variable, learning_rate * factor)
            return
        import tensorflow as tf  # not on the other backends

        index = self._get_variable_index(variable)
        if factor not in self._of_step:
            self._of_step[factor] = self._numbers(tf.cast(learning_rate, tf.float32) * factor)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            grad=tf.cast(gradient, tf.float32),
            **self._of_step[factor],
        )

    def _numbers(self, learning_rate: Any) -> dict[str, Any]:
        """The numbers of a step as tensors; for each variable, they were a third of a small model's operations."""
        import tensorflow as tf

        step = tf.cast(self.iterations + 1, tf.float32)
        beta_1, beta_2, epsilon = (tf.constant(value, tf.float32) for value in (self.beta_1, self.beta_2, self.epsilon))
        powers = {"beta1_power": tf.pow(beta_1, step), "beta2_power": tf.pow(beta_2, step)}
        return {**powers, "beta1": beta_1, "beta2": beta_2, "epsilon": epsilon, "lr": learning_rate}
