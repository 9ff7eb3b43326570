"""The feature pass: what the frozen towers of a run make of its photos, computed once and kept in the feature store."""

from functools import partial
from typing import Any

import keras
import numpy as np

from keras_sister.backbone_names import brings_weights
from keras_sister.data.feature_store import FeatureStore
from keras_sister.data.view_store import ViewPairs, ViewStore
from keras_sister.errors import InputError
from keras_sister.folding import fold_batch_norm
from keras_sister.models.frozen import Tower, towers_of
from keras_sister.photo_files import PIXELS_VERSION
from keras_sister.run import OnEvent, Run
from keras_sister.segmentation.views import make_views
from keras_sister.training.inference import Infer, compiled_inference

Features = tuple[list[np.ndarray], list[np.ndarray] | None]
"""The features of every tower, and of the mirrored photos if a run augments; see `tower_features`."""

_AT_ONCE = 32  # photos that a tower sees together


def tower_features(run: Run, model: keras.Model, on_event: OnEvent) -> Features:
    """The pooled features of every tower of a model.

    Args:
        run: with ``views.json`` in place.
        model: the run's model, with the weights of its towers.
        on_event: receives the number of features that are computed, those that were stored included; 0 at the start.

    Returns:
        For each tower, in the order of `keras_sister.models.frozen.head_of`'s inputs, float32 (photos, channels); and
        the same of the mirrored photos if the run augments, else None.

    Raises:
        InputError: if a feature is not a finite number, naming the photo.
    """
    experiment = run.experiment
    views, hashes, photos = ViewStore(experiment.size, run.views["fingerprint"]), run.photo_keys, run.photos
    pairs, row_keys = views.open(hashes, photos), views.row_keys(hashes, photos)
    del photos  # paths of millions of photos, while the features are computed
    towers, sides = towers_of(model), (False, True) if experiment.augment else (False,)
    of, done = len(pairs) * len(towers) * len(sides), 0

    def count(photos: int) -> None:
        nonlocal done
        done += photos
        on_event({"event": "counted", "what": "features", "done": done, "of": of})

    count(0)
    found: dict[bool, list[np.ndarray]] = {side: [] for side in sides}
    for tower in towers:
        keys, computer = hashes if tower.views == ("photo",) else row_keys, _Computer(run, pairs, tower)
        for mirrored in sides:
            store = FeatureStore(_description(run, tower, mirrored))
            store.fill(keys, partial(computer, mirrored=mirrored), on_photos=count)
            found[mirrored].append(store.read(keys))
    return found[False], found.get(True)


class _Computer:
    """Computes the features of one tower, with batch normalisation folded; compiled at the first call, if any."""

    def __init__(self, run: Run, pairs: ViewPairs, tower: Tower) -> None:
        self.run, self.experiment, self.pairs, self.tower = run, run.experiment, pairs, tower
        self.names = ("photo",) if tower.views == ("photo",) else ("photo", "mask")
        self.infer: Infer | None = None

    def __call__(self, rows: np.ndarray, *, mirrored: bool) -> np.ndarray:
        """Features of photos, or of the mirrored photos: float32 (rows, channels)."""
        infer = self.infer = self.infer or compiled_inference(fold_batch_norm(self.tower.model))
        batches = (self._views(rows[start : start + _AT_ONCE], mirrored) for start in range(0, len(rows), _AT_ONCE))
        features = np.concatenate([keras.ops.convert_to_numpy(infer(batch)) for batch in batches])
        for row, finite in zip(rows, np.isfinite(features).all(axis=1), strict=True):
            if not finite:
                raise InputError(
                    f"{self.run.photos[row]}: the {self.tower.name.removesuffix('_pool')} tower gives a feature that is"
                    " not a finite number; check --weights, or choose another --precision, with another --out."
                )
        return features

    def _views(self, rows: np.ndarray, mirrored: bool) -> dict[str, Any]:
        pair = {name: keras.ops.convert_to_tensor(self.pairs.read(name, rows)) for name in self.names}
        if mirrored:
            pair = {name: keras.ops.flip(image, axis=2) for name, image in pair.items()}
        background, edges = self.experiment.background, self.experiment.edges
        return make_views(pair, self.tower.views, background=background, edges=edges)


def _description(run: Run, tower: Tower, mirrored: bool) -> dict[str, Any]:
    """Everything that determines a tower's features; nothing of masks for a tower that sees the photo alone."""
    experiment = run.experiment
    about = {
        "tower": tower.fingerprint,
        "views": list(tower.views),
        "size": experiment.size,
        "images": PIXELS_VERSION,
        "mirrored": mirrored,
        "precision": experiment.precision,
    }
    if tower.views != ("photo",):
        about |= {
            "fingerprint": run.views["fingerprint"],
            "background": experiment.background,
            "edges": experiment.edges,
        }
    if any(map(brings_weights, (experiment.backbone, experiment.person_backbone))):
        about["folding"] = 2  # the first also folded convolutions whose own output counts
    if keras.backend.backend() != "tensorflow":  # whose features were kept before there was another
        about["backend"] = keras.backend.backend()
    return about
