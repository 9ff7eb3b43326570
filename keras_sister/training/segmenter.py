"""Train an FCN-8s to find the person, on photos whose masks are known."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_sister.data.pipeline import ViewPairs, training_batches
from keras_sister.data.views import Views, ViewStore
from keras_sister.errors import InputError
from keras_sister.segmentation.fcn8s import fcn8s
from keras_sister.segmentation.mask_scores import MaskScores
from keras_sister.segmentation.masks import MaskFolder
from keras_sister.segmentation.network_folder import NetworkSegmenter, save
from keras_sister.training.fit import CHECKPOINT, WEIGHTS, fit
from keras_sister.training.run import OnEvent, Run

HELD_OUT = 5
"""One photo in so many is not trained on; the scores come from these."""


@dataclass(frozen=True, kw_only=True)
class SegmenterSettings:
    """How an FCN-8s is trained.

    Attributes:
        width: share of the filters of the published network.
        weights: of the VGG16 part: ``imagenet``, ``none`` or a file; at width 1 only.
        size: height and width, in pixels, at which photos are segmented.
        epochs: to train; the last one is kept.
        batch: photos a step.
        learning_rate: of Adam.
        seed: of the held-out photos, the initial weights, the order and the augmentation.
    """

    width: float = 0.125
    weights: str = "none"
    size: int = 128
    epochs: int = 12
    batch: int = 8
    learning_rate: float = 2e-3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("size", "epochs", "batch"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1. Received: {getattr(self, name)}")
        for name in ("width", "learning_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"{name} must be above 0 and at most 1. Received: {getattr(self, name)}")


def train_segmenter(
    photos: Sequence[Path],
    masks: Path,
    out: Path,
    settings: SegmenterSettings,
    *,
    resume: bool = False,
    on_event: OnEvent = lambda event: None,
) -> dict[str, Any]:
    """Train on four fifths of the photos, score on the rest, and write a segmenter's folder.

    Args:
        photos: to learn from.
        masks: folder with a PNG for each (see `keras_sister.segmentation.masks.MaskFolder`).
        out: the folder to make; ``--segmenter`` takes it.
        settings: how to train.
        resume: go on with a training in `out` that was killed.
        on_event: told of progress.

    Returns:
        The scores on the held-out photos (see `keras_sister.segmentation.mask_scores`), those of a mask that is
        background everywhere under ``background``, and the number of ``photos``.

    Raises:
        InputError: if `out` is taken, or was begun with other settings, masks or another number of photos; if a mask
            is missing, or a photo cannot be read.
    """
    run = Run(out)
    segmenter = MaskFolder(masks)
    begun = {**asdict(settings), "masks": segmenter.fingerprint, "photos": len(photos)}
    with run.locked():
        _begin(run, begun, resume=resume)
        if (out / "segmenter.json").exists():
            return run.read("segmenter.json")["scores"]
        store = ViewStore(settings.size, segmenter.fingerprint)
        views = store.open(store.fill(photos, segmenter, on_event=on_event))
        shuffled = np.random.default_rng(settings.seed).permutation(len(photos))
        held_out, train = np.split(shuffled, [max(1, len(photos) // HELD_OUT)])
        if len(train) == 0:
            raise InputError("One photo is too few: one in five is held out to score the segmenter.")

        trained = NetworkSegmenter(_fit(views, train, settings, out, on_event), size=settings.size)
        ours, nothing = MaskScores(), MaskScores()
        for row in held_out:
            truth = views.masks([row])[0, ..., 0] >= 128
            ours.add(truth, trained(views.photos([row])).numpy()[0, ..., 0] >= 0.5)
            nothing.add(truth, np.zeros_like(truth))
        scores = {**ours.result(), "background": nothing.result(), "photos": len(held_out)}
        save(out, trained, scores)
        for left in (CHECKPOINT, WEIGHTS):
            (out / left).unlink(missing_ok=True)
    return scores


def _begin(run: Run, begun: dict[str, Any], *, resume: bool) -> None:
    if not (run.folder / "settings.json").exists() and any(run.folder.glob("[!.]*")):
        raise InputError(f"{run.folder}: not empty, and not a segmenter; choose another --out.")
    if not any((run.folder / name).exists() for name in (CHECKPOINT, "segmenter.json")):  # nothing was trained yet
        run.write("settings.json", begun)
    elif not resume:
        raise InputError(f"{run.folder}: there is a segmenter already; go on by --resume, or choose another --out.")
    elif run.read("settings.json") != begun:
        raise InputError(f"{run.folder}: was begun with other settings, masks or photos; see its settings.json.")


def _fit(views: Views, train: np.ndarray, settings: SegmenterSettings, folder: Path, on_event: OnEvent) -> keras.Model:
    keras.utils.set_random_seed(settings.seed)
    model = fcn8s(classes=2, width=settings.width, weights=settings.weights)
    model.compile(
        optimizer=keras.optimizers.Adam(settings.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="pixel_accuracy")],
    )
    nothing = np.zeros((len(views), 1), np.int8)  # the pipeline carries labels; masks are what is learnt here

    def to_pixels(pairs: ViewPairs, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return pairs["photo"], tf.cast(pairs["mask"] >= 128, tf.int32)

    def batches(first_epoch: int) -> tf.data.Dataset:
        return training_batches(
            views,
            nothing,
            train,
            batch=settings.batch,
            seed=settings.seed,
            first_epoch=first_epoch,
            epochs=settings.epochs,
            augmented=True,
        ).map(to_pixels)

    fit(
        model,
        batches,
        steps=math.ceil(len(train) / settings.batch),
        epochs=settings.epochs,
        validation=None,
        folder=folder,
        on_event=on_event,
    )
    return model
