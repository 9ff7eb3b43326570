import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax
from sklearn.metrics import log_loss

from keras_sister.errors import InputError
from keras_sister.losses import MaskedAttributeLoss, label_losses
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


def probabilities(schema: Schema, logits: np.ndarray) -> list[np.ndarray]:
    """By attribute (…, classes), in float64."""
    found = []
    for attribute, columns in zip(schema, schema.logit_slices.values(), strict=True):
        scores = logits[..., columns].astype(float)
        scores = np.concatenate([np.zeros_like(scores), scores], axis=-1) if attribute.is_binary else scores
        found.append(softmax(scores, axis=-1))
    return found


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize(("kind", "gamma"), [("cross_entropy", 0), ("focal", 2), ("focal", 0.5), ("asymmetric", 4)])
def test_losses_of_labels_are_their_formulas(batch, kind, gamma, smoothing):
    labels, logits = np.maximum(batch[0], 0), batch[1]
    loss = MaskedAttributeLoss(DCSA, loss=kind, gamma=gamma, label_smoothing=smoothing, reduction=None)
    expected = np.zeros(len(labels))
    for i, (attribute, p) in enumerate(zip(DCSA, probabilities(DCSA, logits), strict=True)):
        classes = len(attribute.classes)
        targets = np.eye(classes)[labels[:, i]] * (1 - smoothing) + smoothing / classes
        exponents = np.full(classes, float(gamma))
        if kind == "asymmetric":
            exponents[1:] = 0
            exponents[0] *= attribute.is_binary
        expected += (-targets * (1 - p) ** exponents * np.log(p)).sum(axis=1)
    np.testing.assert_allclose(loss(labels, logits), expected / len(DCSA), rtol=2e-5)


@pytest.mark.parametrize("kind", ["focal", "asymmetric"])
def test_gamma_zero_is_the_cross_entropy(batch, kind):
    plain = MaskedAttributeLoss(DCSA, label_smoothing=0.1, reduction=None)
    loss = MaskedAttributeLoss(DCSA, loss=kind, gamma=0, label_smoothing=0.1, reduction=None)
    np.testing.assert_array_equal(loss(*batch), plain(*batch))


def test_focal_loss_is_that_of_keras(batch):
    """Where no probability is so near 0 or 1 that Keras clips it."""
    labels, logits = np.maximum(batch[0], 0), batch[1] / 3
    found = np.array(label_losses(DCSA, labels, logits, loss="focal", gamma=2.0))
    for i, (attribute, columns) in enumerate(zip(DCSA, DCSA.logit_slices.values(), strict=True)):
        if attribute.is_binary:
            keras_loss = keras.losses.BinaryFocalCrossentropy(gamma=2.0, from_logits=True, reduction=None)
            expected = keras_loss(labels[:, [i]].astype("float32"), logits[:, columns])
        else:
            keras_loss = keras.losses.CategoricalFocalCrossentropy(alpha=1.0, from_logits=True, reduction=None)
            one_hot = np.eye(len(attribute.classes), dtype="float32")[labels[:, i]]
            expected = keras_loss(one_hot, logits[:, columns])
        np.testing.assert_allclose(found[:, i], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["focal", "asymmetric"])
def test_a_wrong_prediction_keeps_its_gradient_and_no_gradient_is_infinite(kind):
    """Keras's own focal loss has gradient 0 at a logit of 30, because it clips probabilities."""
    schema = Schema((Attribute("a"), Attribute("n", ("x", "y", "z"))))
    for gamma in (0.5, 1.0, 3.0):
        for scale in (30.0, -30.0, 1e4):
            x = tf.Variable([[scale, scale, 0.0, 0.0]])
            with tf.GradientTape() as tape:
                loss = MaskedAttributeLoss(schema, loss=kind, gamma=gamma)([[0, 1]], x)
            gradient = tape.gradient(loss, x).numpy()
            assert np.isfinite(gradient).all()
            if scale > 0:
                np.testing.assert_allclose(gradient[0, 0], 0.5, rtol=1e-3)


def test_class_weights_multiply_the_losses_of_their_class(batch):
    labels, logits = batch
    weights = {"scarf": [0.5, 3.0], "neckline": [1.0, 0.0, 2.0]}
    plain = np.array(label_losses(DCSA, np.maximum(labels, 0), logits)) * (labels >= 0)
    factors = np.ones(labels.shape)
    for name, of_classes in weights.items():
        column = DCSA.names.index(name)
        factors[:, column] = np.array(of_classes)[labels[:, column]]  # of an unknown label anything, times 0
    loss = MaskedAttributeLoss(DCSA, class_weights=weights, reduction=None)
    np.testing.assert_allclose(loss(labels, logits), (plain * factors).sum(axis=1) / len(DCSA), rtol=1e-5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    np.testing.assert_array_equal(again(labels, logits), loss(labels, logits))


def test_stacked_folds_have_the_losses_of_each_fold(batch):
    """For heads of all folds in one model: axes in front, with class weights of their own."""
    labels, logits = np.maximum(batch[0], 0), batch[1]
    tables = np.random.default_rng(1).uniform(0, 2, (2, len(DCSA), 7)).astype("float32")
    settings = {"loss": "focal", "gamma": 1.5, "label_smoothing": 0.1}
    stacked = label_losses(
        DCSA, np.stack([labels, labels]), np.stack([logits, -logits]), class_weights=tables[:, None], **settings
    )
    for fold, scores in enumerate((logits, -logits)):
        alone = label_losses(DCSA, labels, scores, class_weights=tables[fold], **settings)
        np.testing.assert_allclose(stacked[fold], alone, rtol=1e-6)


@pytest.mark.parametrize("kind", ["cross_entropy", "focal", "asymmetric"])
def test_unknown_labels_add_nothing_to_any_loss(batch, kind):
    labels, logits = batch
    weights = {"scarf": [0.5, 3.0]}
    loss = MaskedAttributeLoss(DCSA, loss=kind, label_smoothing=0.1, class_weights=weights, reduction=None)
    labels, column = labels.astype(float), DCSA.names.index("scarf")
    labels[:, column] = np.nan
    changed = logits.copy()
    changed[:, DCSA.logit_slices["scarf"]] += 5
    np.testing.assert_array_equal(loss(labels, logits), loss(labels, changed))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": "hinge"}, "loss must be one of"),
        ({"loss": "focal", "gamma": -1}, "gamma"),
        ({"gamma": np.nan}, "gamma"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"class_weights": {"scraf": [1, 1]}}, "class_weights"),
        ({"class_weights": {"scarf": [1, 1, 1]}}, "2 classes"),
        ({"class_weights": {"scarf": [1, -1]}}, "finite"),
    ],
)
def test_invalid_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        MaskedAttributeLoss(DCSA, **arguments)
