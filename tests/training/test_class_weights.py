import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from keras_sister.schema import Attribute, Schema
from keras_sister.training.class_weights import balanced_class_weights

SCHEMA = Schema((Attribute("scarf"), Attribute("neckline", ("v", "round", "other")), Attribute("unseen")))
RNG = np.random.default_rng(0)
LABELS = np.stack(
    [RNG.choice([-1, 0, 1], 200, p=[0.3, 0.6, 0.1]), RNG.choice([-2, 0, 2], 200), np.full(200, -1)], axis=1
)


def test_weights_are_those_of_scikit_learn():
    found = balanced_class_weights(SCHEMA, LABELS)
    for column, classes in ((0, [0, 1]), (1, [0, 2])):  # class 1 of neckline does not occur
        known = LABELS[LABELS[:, column] >= 0, column]
        expected = compute_class_weight("balanced", classes=np.array(classes), y=known)
        np.testing.assert_allclose(np.array(found[SCHEMA.names[column]])[classes], expected)
    assert found["neckline"][1] == 1
    assert found["unseen"] == [1, 1]


def test_unknown_labels_do_not_count():
    missing = LABELS.astype(float)
    missing[LABELS < 0] = np.nan
    assert balanced_class_weights(SCHEMA, missing) == balanced_class_weights(SCHEMA, LABELS)
    changed = LABELS.copy()
    changed[:50, 1] = -1
    assert balanced_class_weights(SCHEMA, changed)["scarf"] == balanced_class_weights(SCHEMA, LABELS)["scarf"]


def test_photos_count_by_their_weights():
    weights = RNG.integers(0, 4, 200)
    repeated = np.repeat(LABELS, weights, axis=0)
    found, expected = balanced_class_weights(SCHEMA, LABELS, weights), balanced_class_weights(SCHEMA, repeated)
    for name in SCHEMA.names:
        np.testing.assert_allclose(found[name], expected[name])
    known = LABELS[:, 0] >= 0
    by_label = np.array(found["scarf"])[LABELS[known, 0]] * weights[known]
    np.testing.assert_allclose(by_label[LABELS[known, 0] == 0].sum(), by_label[LABELS[known, 0] == 1].sum())
