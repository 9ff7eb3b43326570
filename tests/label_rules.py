"""What holds for labels on every Keras backend: ``KERAS_BACKEND=jax python -m tests.label_rules``; see test_labels."""

import sys

import keras
import numpy as np
import pytest
from scipy.special import log_softmax

from keras_sister.errors import InputError
from keras_sister.evaluation.scores import accuracies, macc
from keras_sister.losses import MaskedAttributeLoss
from keras_sister.metrics import AttributeAccuracy
from keras_sister.schema import Attribute, Schema

BIG = [f"class_{i}" for i in range(200)]
SCHEMA = Schema((Attribute("scarf"), Attribute("sleeves", ("none", "short", "long")), Attribute("brand", BIG)))
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 3, (8, SCHEMA.n_logits)).astype("float32")
LABELS = np.stack([RNG.integers(-1, len(a.classes), 8) for a in SCHEMA], axis=1).astype("float32")
LABELS[0, 2], LABELS[1, 0], LABELS[2, 1], LABELS[3] = 199, np.nan, -2, np.nan
WEIGHTS = RNG.uniform(0, 2, LABELS.shape).astype("float32")
BAD = [(0, 2.0, "scarf"), (0, 0.95, "scarf"), (1, 3.0, "sleeves"), (1, np.inf, "sleeves"), (2, 200.0, "brand")]


def cross_entropies() -> np.ndarray:
    """By photo and attribute, 0 where the label is unknown, by SciPy."""
    losses = np.zeros(LABELS.shape)
    for i, (name, columns) in enumerate(SCHEMA.logit_slices.items()):
        logits = LOGITS[:, columns].astype(float)
        logits = np.concatenate([np.zeros((8, 1)), logits], axis=1) if name == "scarf" else logits
        for row in np.nonzero(LABELS[:, i] >= 0)[0]:
            losses[row, i] = -log_softmax(logits[row])[int(LABELS[row, i])]
    return losses


def check_values() -> None:
    losses = cross_entropies()
    plain = MaskedAttributeLoss(SCHEMA, reduction=None)
    for weights, expected in [
        (None, losses.sum(axis=1)),
        (WEIGHTS[:, 0], losses.sum(axis=1) * WEIGHTS[:, 0]),
        (WEIGHTS, (losses * WEIGHTS).sum(axis=1)),
    ]:
        found = keras.ops.convert_to_numpy(plain(LABELS, LOGITS, weights))
        np.testing.assert_allclose(found, expected / 3, rtol=1e-4, atol=1e-6)
        mean = keras.ops.convert_to_numpy(MaskedAttributeLoss(SCHEMA)(LABELS, LOGITS, weights))
        np.testing.assert_allclose(mean, expected.mean() / 3, rtol=1e-4)
        if weights is not None:  # a list means what an array does
            listed = keras.ops.convert_to_numpy(plain(LABELS.tolist(), LOGITS.tolist(), weights.tolist()))
            np.testing.assert_allclose(listed, found, rtol=1e-6)
    focal = MaskedAttributeLoss(SCHEMA, loss="focal", gamma=1.0, class_weights={"sleeves": [1, 0, 2]}, reduction=None)
    by_class = np.array([1, 0, 2])[np.nan_to_num(LABELS[:, 1].clip(0)).astype(int)]
    focused = losses * (1 - np.exp(-losses)) * np.stack([np.ones(8), by_class, np.ones(8)], axis=1)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(focal(LABELS, LOGITS)), focused.sum(axis=1) / 3, rtol=1e-4, atol=1e-6
    )
    binary, booleans = MaskedAttributeLoss(Schema((Attribute("scarf"),)), reduction=None), LABELS[:, :1] > 0
    for weights in (None, WEIGHTS[:, 0], WEIGHTS[:, :1]):
        expected, found = (binary(labels, LOGITS[:, :1], weights) for labels in (booleans.astype("float32"), booleans))
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(found), keras.ops.convert_to_numpy(expected))
    metric = AttributeAccuracy(SCHEMA)
    metric.update_state(LABELS, LOGITS)
    expected_macc = macc(accuracies(SCHEMA, LABELS, SCHEMA.predict(LOGITS)))
    assert float(metric.result()) == pytest.approx(expected_macc, abs=1e-6)
    weighted = AttributeAccuracy(SCHEMA)
    weighted.update_state(LABELS, LOGITS, WEIGHTS)
    right = (SCHEMA.predict(LOGITS) == LABELS) * WEIGHTS
    assert float(weighted.result()) == pytest.approx(np.mean(right.sum(0) / ((LABELS >= 0) * WEIGHTS).sum(0)), abs=1e-5)


def check_refusals() -> None:
    """Eager mode raises on every backend; a logit that is not finite makes no number."""
    for column, value, name in BAD:
        labels = LABELS.copy()
        labels[4, column] = value
        for call in (MaskedAttributeLoss(SCHEMA), AttributeAccuracy(SCHEMA).update_state, accuracy_of_numpy):
            with pytest.raises(InputError, match=f"row 4.*'{name}'.*{value:g}.*class index"):
                call(labels, LOGITS)
    one_hot, wide = np.zeros((8, SCHEMA.n_logits), "float32"), np.zeros((8, 4), "float32")
    for labels in (one_hot, wide, LABELS[:, 0], LABELS[:, :, None]):
        for call in (MaskedAttributeLoss(SCHEMA), AttributeAccuracy(SCHEMA).update_state, accuracy_of_numpy):
            with pytest.raises(InputError, match=r"labels of shape \(batch, 3\)"):
                call(labels, LOGITS)
    for weights in (WEIGHTS[:, :2], WEIGHTS[:, :1], -WEIGHTS, WEIGHTS[:, 0] * np.nan):
        for call in (MaskedAttributeLoss(SCHEMA), AttributeAccuracy(SCHEMA).update_state):
            with pytest.raises(InputError, match="sample_weight"):
                call(LABELS, LOGITS, weights)
    for loss in ("cross_entropy", "focal"):
        for call in (MaskedAttributeLoss(SCHEMA, loss=loss), AttributeAccuracy(SCHEMA).update_state):
            for photos in (1, 7):
                with pytest.raises(InputError, match=f"labels of as many photos as logits, 8. Received: {photos}"):
                    call(LABELS[:photos], LOGITS)
                for weights in (WEIGHTS[:photos], WEIGHTS[:photos, 0]):
                    with pytest.raises(InputError, match=f"sample_weight of as many photos .* 8. Received: {photos}"):
                        call(LABELS, LOGITS, weights)
            with pytest.raises(InputError, match="labels of as many photos"):
                call(LABELS, LOGITS[:1])
    for call in (MaskedAttributeLoss(SCHEMA), AttributeAccuracy(SCHEMA).update_state):
        with pytest.raises(InputError, match="logits of shape"):
            call(LABELS, LOGITS[:, :5])
    broken = LOGITS.copy()
    broken[4, 7] = np.inf
    assert np.isnan(float(MaskedAttributeLoss(SCHEMA)(LABELS, broken)))
    metric = AttributeAccuracy(SCHEMA)
    metric.update_state(LABELS, broken)
    assert np.isnan(float(metric.result()))


def accuracy_of_numpy(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    return accuracies(SCHEMA, labels, SCHEMA.predict(logits))


def fit(schema: Schema, labels: np.ndarray, sample_weight: np.ndarray | None = None, **options: bool) -> dict:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(schema.n_logits)])
    model.compile("sgd", MaskedAttributeLoss(schema), metrics=[AttributeAccuracy(schema)], **options)
    features = np.random.default_rng(1).normal(size=(8, 4)).astype("float32")
    history = model.fit(features, labels, sample_weight=sample_weight, batch_size=4, epochs=2, verbose=0).history
    return {name: np.array(values) for name, values in history.items()}


def check_fit(**options: bool) -> None:
    unknown_as_minus_one = np.where(LABELS >= 0, LABELS, -1).astype("int64")
    for weights in (WEIGHTS[:, 0], WEIGHTS):
        first, second = (fit(SCHEMA, labels, weights, **options) for labels in (LABELS, unknown_as_minus_one))
        np.testing.assert_allclose(first["loss"], second["loss"], rtol=1e-6)
        assert np.isfinite(first["loss"]).all()
    single = Schema((Attribute("sleeves", ("none", "short", "long")),))
    flat = fit(single, np.abs(LABELS[:, 1]) % 3, **options)
    np.testing.assert_array_equal(flat["loss"], fit(single, np.abs(LABELS[:, [1]]) % 3, **options)["loss"])
    binary = Schema((Attribute("scarf"),))
    np.testing.assert_array_equal(
        fit(binary, LABELS[:, 0], **options)["loss"], fit(binary, LABELS[:, [0]], **options)["loss"]
    )
    with pytest.raises(InputError, match=r"labels of shape \(batch, 3\)"):
        fit(SCHEMA, np.zeros((8, SCHEMA.n_logits)), **options)


def check_bad_labels_in_fit(*, raises: bool, **options: bool) -> None:
    """Where the graph cannot raise, loss and metric are NaN; never a number."""
    for column, value, name in BAD[1::3]:
        labels = LABELS.copy()
        labels[4, column] = value
        if raises:
            with pytest.raises((InputError, keras_error()), match=rf"{name}.*{value:g}"):
                fit(SCHEMA, labels, **options)
        else:
            history = fit(SCHEMA, labels, **options)
            assert np.isnan(history["loss"][-1])
            assert np.isnan(history["macc"][-1])


def check_unknown_shapes(**options: bool) -> None:
    """A pipeline that does not say how wide labels and weights are, as ``from_generator`` often does not."""
    import tensorflow as tf

    features = np.random.default_rng(1).normal(size=(8, 4)).astype("float32")

    def fit_unknown(labels: np.ndarray, weights: np.ndarray, unknown: np.ndarray | None = None) -> float:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(SCHEMA.n_logits)])
        model.compile("sgd", MaskedAttributeLoss(SCHEMA), metrics=[AttributeAccuracy(SCHEMA)], **options)
        arrays = features, labels, weights
        shapes = tuple(tf.TensorSpec(None if unknown is array else (None,) * array.ndim) for array in arrays)
        photos = tf.data.Dataset.from_generator(lambda: iter([arrays]), output_signature=shapes)
        photos = photos.apply(tf.data.experimental.assert_cardinality(1))
        return model.fit(photos, shuffle=False, verbose=0).history["loss"][0]

    for weights in (WEIGHTS, WEIGHTS[:, 0]):
        known = MaskedAttributeLoss(SCHEMA)(LABELS, initial_logits(features), weights)
        np.testing.assert_allclose(fit_unknown(LABELS, weights), known, rtol=1e-5)
    with pytest.raises((keras_error(), ValueError), match=r"incompatible|not compatible|Expected"):
        fit_unknown(LABELS[:, :2], WEIGHTS)
    with pytest.raises(InputError, match=r"labels of known rank.*output_signature"):
        fit_unknown(LABELS, WEIGHTS, unknown=LABELS)


def initial_logits(features: np.ndarray) -> np.ndarray:
    """The logits of the model before its first step."""
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(SCHEMA.n_logits)]).predict(features, verbose=0)


def keras_error() -> type[Exception]:
    """What TensorFlow's graph raises."""
    if keras.backend.backend() != "tensorflow":
        return InputError
    import tensorflow as tf

    return tf.errors.InvalidArgumentError


def main() -> None:
    backend = keras.backend.backend()
    if backend != "tensorflow":
        assert sys.modules.get("tensorflow") is None
    check_values()
    check_refusals()
    if backend == "torch":
        check_fit()
        check_bad_labels_in_fit(raises=True)
        return
    for jit_compile in (False, True):
        if jit_compile or backend == "tensorflow":  # JAX without it computes as in `check_values`, slowly
            check_fit(jit_compile=jit_compile)
        if backend == "tensorflow":
            check_unknown_shapes(jit_compile=jit_compile)
        check_bad_labels_in_fit(raises=not jit_compile, jit_compile=jit_compile)


if __name__ == "__main__":
    main()
