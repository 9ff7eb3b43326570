"""No number unless it is one: what overflows in training ends it, whichever step it is."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sister.errors import InputError
from keras_sister.training.fit import check_trained, fit_model
from keras_sister.training.phases import Phase


def overflowing() -> keras.Model:
    """A model whose first step takes its weights beyond float32; the loss before it is finite."""
    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Dense(1, kernel_initializer="ones")(inputs))
    model.compile(keras.optimizers.SGD(3e38), loss="mse")
    return model


def fit(model: keras.Model, steps: int, folder, **options: bool) -> list[dict[str, float]]:
    data = tf.data.Dataset.from_tensors((np.full((1, 1), 9.0, np.float32), np.zeros((1, 1), np.float32))).repeat()
    phases = [Phase(1, lambda: None)]
    return fit_model(
        model, phases, lambda _: data, steps=steps, validation=None, folder=folder, on_event=print, **options
    )


@pytest.mark.parametrize("has_precision", [True, False])
def test_a_loss_that_is_not_finite_is_named_with_what_can_be_tried(has_precision, tmp_path):
    with pytest.raises(
        InputError, match=rf"{tmp_path.name}: loss is \w+ in epoch 1, step 2; lower --learning"
    ) as error:
        fit(overflowing(), 2, tmp_path, has_precision=has_precision)
    assert ("--precision (now float32)" in str(error.value)) == has_precision
    assert "\n" not in str(error.value)


def test_weights_that_overflow_in_the_last_step_are_refused(tmp_path):
    model = overflowing()
    (epoch,) = fit(model, 1, tmp_path)
    assert epoch["loss"] == pytest.approx(81)
    with pytest.raises(InputError, match=r"^fcn8s: weights are not finite after the last step; lower it, with another"):
        check_trained(model, "fcn8s", "lower it")
    check_trained(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]), "fcn8s", "lower it")
