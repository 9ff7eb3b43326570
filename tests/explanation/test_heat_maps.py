from functools import cache

import keras
import numpy as np
import pytest

import keras_sister
from keras_sister.config import SYSTEMS
from keras_sister.errors import InputError
from keras_sister.explanation.contributions import contributions
from keras_sister.explanation.gradients import gradients
from keras_sister.explanation.heat_maps import METHODS, heat_map
from keras_sister.explanation.occlusion import neutral_colour
from keras_sister.explanation.split_model import split
from keras_sister.models.frozen import head_of, towers_of

from ..harness import to_numpy
from ..models.systems import build, model_of, views_of
from .red import PLACE, red_model, views

RED, BLUE = views((250, 0, 0)), views((0, 0, 250))


@cache
def red_heat(method: str) -> dict[str, np.ndarray]:
    return heat_map(red_model(), RED, attribute="red", class_name="yes", method=method)


def share_inside(heat: np.ndarray) -> float:
    rows, columns = (slice(s.start - 4, s.stop + 4) for s in PLACE)  # bilinear: a cell reaches its neighbours
    return float(heat[0, rows, columns].sum() / heat.sum())


@pytest.mark.parametrize("method", METHODS)
def test_the_heat_lies_where_the_truth_is_and_in_the_right_tower_only(method):
    red = red_heat(method)
    assert red["photo"].shape == (1, 32, 32)
    assert red["photo"].dtype == np.float32
    assert share_inside(red["photo"]) > 0.99
    assert red["segmented"].max() == 0
    blue = heat_map(red_model(), BLUE, attribute="blue", class_name="yes", method=method)
    assert share_inside(blue["segmented"]) > 0.99
    assert blue["photo"].max() == 0


def test_gradient_and_occlusion_agree():
    by_gradient, by_occlusion = (red_heat(method)["photo"] for method in METHODS)
    assert np.corrcoef(by_gradient.ravel(), by_occlusion.ravel())[0, 1] > 0.99


def test_occlusion_is_the_drop_of_the_logit():
    """A red cell: the four patches over it hide it, two of them cover each neighbour at a side, one at a corner."""
    model = red_model()
    pixels = np.full((1, 32, 32, 3), 120, np.uint8)
    pixels[0, 8:12, 20:24] = (250, 0, 0)
    photos = {"photo": pixels, "segmented": pixels}
    heat = heat_map(model, photos, attribute="red", class_name="yes", method="occlusion")["photo"]
    hidden = pixels.copy()
    hidden[0, 8:12, 20:24] = pixels.mean(axis=(1, 2)).round()
    drop = to_numpy(model(photos) - model({**photos, "photo": hidden}))[0, 0]
    assert heat.sum() / 16 == pytest.approx(drop * (1 + 4 / 2 + 4 / 4), rel=1e-3)  # a cell has 16 pixels
    assert np.unravel_index(heat.argmax(), heat.shape)[1:] in [(r, c) for r in range(8, 12) for c in range(20, 24)]


def test_the_negative_class_is_the_opposite():
    assert heat_map(red_model(), RED, attribute="red", class_name="no")["photo"].max() == 0


def test_without_a_class_it_is_the_predicted_one():
    model, photos = model_of("sister_a"), views_of("sister_a")
    labels = keras_sister.DCSA.predict(to_numpy(model(photos, training=False)))
    column = keras_sister.DCSA.names.index("neckline")
    predicted = heat_map(model, photos, attribute="neckline")
    for row, index in enumerate(labels[:, column]):
        name = keras_sister.DCSA.attributes[column].classes[index]
        expected = heat_map(model, photos, attribute="neckline", class_name=name)
        np.testing.assert_allclose(predicted["photo"][row], expected["photo"][row], atol=1e-6)


@pytest.mark.parametrize("system", ["sister_b", "gate_concat", "masked"])
def test_gradients_are_finite_differences(system):
    """Along a random direction, from maps whose values are far apart, so that no step changes which is the largest."""
    halves = split(model_of(system))
    rng = np.random.default_rng(0)
    between = halves.maps(views_of(system))
    for view in halves.towers:
        batch, height, width, channels = between[view].shape
        ranks = np.tile(np.arange(height * width, dtype=np.float32)[:, None], (batch, 1, channels)).reshape(
            batch, -1, channels
        )
        between[view] = keras.ops.convert_to_tensor(rng.permuted(ranks, axis=1).reshape(between[view].shape))
    at = {view: between[view] for view in halves.towers}
    slopes = to_numpy(gradients(lambda maps: keras.ops.sum(halves.logits({**between, **maps})[:, 3]), at))
    for view in halves.towers:
        features = to_numpy(at[view])
        step = rng.uniform(-0.05, 0.05, features.shape).astype(np.float32)
        moved = [{**between, view: keras.ops.convert_to_tensor(features + sign * step)} for sign in (1, -1)]
        ends = [to_numpy(halves.logits(maps))[:, 3].astype(np.float64).sum() for maps in moved]
        assert (slopes[view] * step).sum() == pytest.approx((ends[0] - ends[1]) / 2, rel=0.05, abs=1e-4)
        assert np.abs(slopes[view]).max() > 0


@pytest.mark.parametrize("system", SYSTEMS)
def test_an_explained_model_is_as_it_was(system):
    model = build(system)
    before = model.get_config()
    for _ in range(2):  # a second part of one graph once moved its inputs, and nothing could be saved any more
        split(model)
        contributions(model, views_of(system), attribute="scarf")
        head_of(model)
        towers_of(model)
    assert model.get_config() == before


@pytest.mark.parametrize("system", SYSTEMS)
def test_contributions_sum_to_the_logit(system):
    model, photos = model_of(system), views_of(system)
    logits = to_numpy(model(photos, training=False))
    column = keras_sister.DCSA.logit_slices["neckline"].start + 1
    parts = contributions(model, photos, attribute="neckline", class_name="round")
    np.testing.assert_allclose(parts.score, logits[:, column], atol=1e-6)
    if system == "sister_b":
        assert parts.towers is None
        assert "multiplied" in parts.reason
    else:
        np.testing.assert_allclose(parts.bias + sum(parts.towers.values()), parts.score, atol=1e-5)
        assert set(parts.towers) <= {*SYSTEMS[system], "person"}
    heat = heat_map(model, photos, attribute="neckline", class_name="round")
    assert list(heat) == [view for view in SYSTEMS[system] if view != "mask"]
    assert all(values.shape == (3, 40, 40) and values.min() >= 0 for values in heat.values())


def test_contributions_of_a_known_model():
    """The reddest cell is (250 − 0 − 0) / 255."""
    parts = contributions(red_model(), RED, attribute="red", class_name="no")
    assert parts.towers["photo"][0] == pytest.approx(-3 * 250 / 255)
    assert parts.towers["segmented"][0] == 0
    assert parts.bias[0] == 1
    assert parts.probability[0] == pytest.approx(1 / (1 + np.exp(3 * 250 / 255 - 1)))


def test_random_weights_give_other_maps():
    """Adebayo et al., "Sanity checks for saliency maps" (2018): a map must depend on what was learnt."""
    model = build("sister_a")
    before = heat_map(model, views_of("sister_a"), attribute="red", class_name="yes")["photo"]
    rng = np.random.default_rng(7)
    model.set_weights([rng.permutation(w.ravel()).reshape(w.shape) for w in model.get_weights()])
    after = heat_map(model, views_of("sister_a"), attribute="red", class_name="yes")["photo"]
    assert before.max() > 0
    assert abs(np.corrcoef(before.ravel(), after.ravel())[0, 1]) < 0.7


def test_neutral_colours():
    pixels = np.full((2, 8, 8, 3), 255, np.uint8)
    pixels[:, 2:8, 2:6] = 55
    assert neutral_colour(pixels, "segmented").tolist() == [[[[255] * 3]]] * 2
    assert neutral_colour(pixels, "photo").tolist() == [[[[255 - 75] * 3]]] * 2


def test_errors_are_one_line():
    model = red_model()
    wrong = {
        "attribute must be one of red, blue, neckline": (RED, {"attribute": "hat"}),
        "class of red must be one of no, yes": (RED, {"attribute": "red", "class_name": "maybe"}),
        "method must be one of": (RED, {"attribute": "red", "method": "magic"}),
        "expected the views photo, segmented. Received: photo": ({"photo": RED["photo"]}, {"attribute": "red"}),
    }
    for message, (photos, options) in wrong.items():
        with pytest.raises(InputError, match=message) as caught:
            heat_map(model, photos, **options)
        assert "\n" not in str(caught.value)
