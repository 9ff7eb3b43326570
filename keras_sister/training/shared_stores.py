"""Names of the stores that a run fills: runs with a name in common need not make the same views or features twice.

Runs of the same photos without a name in common make nothing for each other. Names are coarse: that one stands for
two stores costs a wait, not a number.
"""

from collections.abc import Hashable

from keras_sister.config import Experiment

Stores = frozenset[Hashable]


def view_stores(experiment: Experiment) -> Stores:
    """The view store of a run.

    Example:
        >>> one, other = (Experiment(system=name, segmenter="fcn") for name in ("sister_a", "segmented"))
        >>> view_stores(one) == view_stores(other)
        True
    """
    return frozenset({("views", experiment.size, _masks(experiment))})


def feature_stores(experiment: Experiment) -> Stores:
    """The feature stores of a run with frozen towers, one for each view.

    Example:
        >>> one, other = (Experiment(system=name, trainable="head") for name in ("sister_a", "baseline"))
        >>> feature_stores(one) > feature_stores(other)
        True
    """
    e, stores = experiment, set()
    weights = e.seed if e.weights == "none" else str(e.weights)
    for view in e.views:
        is_second = view == "segmented" and "photo" in e.views and e.system != "twin"
        network = e.person_backbone if is_second else e.backbone
        stores.add(("features", e.size, None if view == "photo" else _masks(e), network, weights))
    return frozenset(stores)


def _masks(experiment: Experiment) -> Hashable:
    e = experiment
    return (e.segmenter, e.keep_largest, e.margin, e.min_person_share) if e.needs_masks else None
