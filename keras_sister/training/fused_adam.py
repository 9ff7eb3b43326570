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

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if keras.backend.backend() != "tensorflow" or self.amsgrad or variable.dtype != "float32":
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf  # not on the other backends

        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, tf.float32),
        )
