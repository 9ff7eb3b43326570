import keras
import numpy as np
import pytest

from keras_sister.evaluation.scores import accuracies, macc
from keras_sister.metrics import AttributeAccuracy
from keras_sister.schema import DCSA, UNKNOWN


def batch(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.stack([rng.integers(0, len(attribute.classes), 11) for attribute in DCSA], axis=1)
    labels[rng.random(labels.shape) < 0.5] = UNKNOWN
    return labels, rng.normal(size=(11, DCSA.n_logits)).astype(np.float32)


def test_it_is_macc_over_all_batches_and_not_the_mean_of_their_macc():
    metric = AttributeAccuracy(DCSA)
    batches = [batch(seed) for seed in range(4)]
    for labels, logits in batches:
        metric.update_state(labels, logits)
    labels, logits = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    expected = macc(accuracies(DCSA, labels, DCSA.predict(logits)))
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)
    assert expected != pytest.approx(
        np.mean([macc(accuracies(DCSA, y, DCSA.predict(x))) for y, x in batches]), abs=1e-3
    )


def test_an_attribute_that_is_never_known_is_left_out():
    labels, logits = batch(0)
    labels[:, 3] = UNKNOWN
    metric = AttributeAccuracy(DCSA)
    metric.update_state(labels, logits)
    assert float(metric.result()) == pytest.approx(macc(accuracies(DCSA, labels, DCSA.predict(logits))), abs=1e-6)


def test_before_anything_is_known_it_is_zero():
    metric = AttributeAccuracy(DCSA)
    assert float(metric.result()) == 0
    metric.update_state(np.full((2, 26), UNKNOWN), np.zeros((2, 36), np.float32))
    assert float(metric.result()) == 0
    metric.update_state(*batch(0))
    metric.reset_state()
    assert float(metric.result()) == 0


def test_a_photo_of_weight_two_counts_as_two():
    labels, logits = batch(1)
    twice, weighted = AttributeAccuracy(DCSA), AttributeAccuracy(DCSA)
    twice.update_state(np.concatenate([labels, labels[:3]]), np.concatenate([logits, logits[:3]]))
    weighted.update_state(labels, logits, sample_weight=np.array([2.0] * 3 + [1.0] * 8))
    assert float(weighted.result()) == pytest.approx(float(twice.result()), abs=1e-6)


def test_it_travels_through_its_configuration():
    metric = AttributeAccuracy(DCSA, name="mine")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert (again.name, again.schema) == ("mine", DCSA)
