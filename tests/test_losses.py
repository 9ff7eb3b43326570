import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import log_loss

from keras_sister.losses import MaskedAttributeLoss
from keras_sister.schema import DCSA, UNKNOWN, Attribute, Schema


@pytest.fixture
def batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.stack([rng.integers(0, len(attribute.classes), 9) for attribute in DCSA], axis=1)
    labels[rng.random(labels.shape) < 0.3] = UNKNOWN
    return labels, rng.normal(0, 3, (9, DCSA.n_logits)).astype(np.float32)


def test_it_is_the_cross_entropy_of_the_known_labels(batch):
    labels, logits = batch
    expected = np.zeros(len(labels))
    for i, (attribute, p) in enumerate(zip(DCSA, DCSA.probabilities(logits).values(), strict=True)):
        p = np.stack([1 - p, p], axis=1) if attribute.is_binary else p
        for row in np.nonzero(labels[:, i] != UNKNOWN)[0]:
            expected[row] += log_loss([labels[row, i]], p[[row]], labels=range(len(attribute.classes)))
    loss = MaskedAttributeLoss(DCSA, reduction=None)(labels, logits)
    np.testing.assert_allclose(loss, expected / len(DCSA), rtol=1e-4)
    assert float(MaskedAttributeLoss(DCSA)(labels, logits)) == pytest.approx(expected.mean() / len(DCSA), rel=1e-4)


def test_unknown_labels_have_no_gradient_and_known_ones_have(batch):
    labels, logits = batch
    labels[0] = UNKNOWN
    x = tf.Variable(logits)
    with tf.GradientTape() as tape:
        loss = MaskedAttributeLoss(DCSA)(labels, x)
    gradient = tape.gradient(loss, x).numpy()
    assert np.isfinite(gradient).all()
    for i, attribute in enumerate(DCSA):
        pulls = np.abs(gradient[:, DCSA.logit_slices[attribute.name]]).sum(axis=1) > 0
        np.testing.assert_array_equal(pulls, labels[:, i] != UNKNOWN)


def test_nothing_known_is_no_loss():
    loss = MaskedAttributeLoss(DCSA)(np.full((3, 26), UNKNOWN), np.full((3, 36), 100.0, np.float32))
    assert float(loss) == 0


def test_extreme_logits_are_finite():
    for sign in (-1, 1):
        loss = MaskedAttributeLoss(DCSA)(np.zeros((2, 26), int), sign * np.full((2, 36), 1e4, np.float32))
        assert np.isfinite(float(loss))


@pytest.mark.parametrize(
    "schema", [Schema((Attribute("a"),)), Schema((Attribute("n", ("x", "y", "z")),))], ids=["binary", "multi-class"]
)
def test_schemas_of_one_kind(schema):
    logits = np.random.default_rng(0).normal(size=(4, schema.n_logits)).astype(np.float32)
    (p,) = schema.probabilities(logits).values()
    chosen = 1 - p if p.ndim == 1 else p[:, 0]
    assert float(MaskedAttributeLoss(schema)(np.zeros((4, 1), int), logits)) == pytest.approx(
        -np.log(chosen).mean(), rel=1e-5
    )


def test_it_travels_through_its_configuration(batch):
    loss = MaskedAttributeLoss(DCSA, name="mine")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert again.name == "mine"
    assert float(again(*batch)) == float(loss(*batch))
