import pytest

from keras_sister.config import Experiment
from keras_sister.training.shared_stores import feature_stores, view_stores


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({"seed": 1, "epochs": 3, "background": "black"}, True),
        ({"system": "segmented"}, True),
        ({"system": "baseline"}, False),  # which has no masks
        ({"segmenter": "other"}, False),
        ({"margin": 3}, False),
        ({"min_person_share": 0.5}, False),
        ({"size": 96}, False),
    ],
)
def test_view_stores(change, is_same):
    settings = {"system": "sister_a", "segmenter": "fcn"}
    one, other = view_stores(Experiment(**settings)), view_stores(Experiment(**{**settings, **change}))
    assert (one == other) is is_same
    assert bool(one & other) is is_same


@pytest.mark.parametrize(
    ("change", "shared"),
    [
        ({"seed": 1}, 2),
        ({"weights": "none"}, 0),
        ({"system": "baseline"}, 1),
        ({"system": "baseline", "size": 96}, 0),
        ({"system": "segmented"}, 0),  # its network is the other one
        ({"system": "segmented", "backbone": "resnet50"}, 1),
        ({"system": "twin"}, 1),
        ({"segmenter": "other"}, 1),
    ],
)
def test_feature_stores(change, shared):
    settings = {"system": "sister_a", "backbone": "resnet_mini", "person_backbone": "resnet50", "trainable": "head"}
    one, other = (feature_stores(Experiment(**{**settings, **changes})) for changes in ({}, change))
    assert len(one & other) == shared


def test_random_weights_of_another_seed_make_other_features():
    stores = [feature_stores(Experiment(weights="none", trainable="head", seed=seed)) for seed in (0, 0, 1)]
    assert stores[0] == stores[1]
    assert not stores[0] & stores[2]
