"""Train a network that tells the classes of pixels apart, to find the person."""

import hashlib
import itertools
import math
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_sister.data.pipeline import ViewPairs, training_batches
from keras_sister.data.pixels import VOID, PixelDataset, resized
from keras_sister.data.views import Views, ViewStore
from keras_sister.errors import InputError
from keras_sister.segmentation.fcn8s import fcn8s
from keras_sister.segmentation.network_folder import NetworkSegmenter, save
from keras_sister.segmenter_settings import SegmenterSettings
from keras_sister.training.fit import fit
from keras_sister.training.run import OnEvent, Run
from keras_sister.training.segmenter_scores import score_segmenter

_UNFINISHED = "training"
"""The folder, in the segmenter's, of what is needed until it is trained."""


def train_segmenter(
    dataset: PixelDataset,
    out: Path,
    settings: SegmenterSettings,
    *,
    resume: bool = False,
    on_event: OnEvent = lambda event: None,
) -> dict[str, Any]:
    """Train on the photos that are not held out, score on the rest, and write a segmenter's folder.

    Args:
        dataset: to learn from.
        out: the folder to make; ``--segmenter`` takes it.
        settings: how to train.
        resume: go on with a training in `out` that was killed.
        on_event: told of progress.

    Returns:
        The scores on the held-out photos, see `keras_sister.training.segmenter_scores.score_segmenter`.

    Raises:
        InputError: if `out` is taken, or was begun with other settings, photos or masks; if a photo or a mask is
            missing or cannot be read.
    """
    if not dataset.to_learn_from or not dataset.held_out:
        raise InputError(f"{len(dataset.photos)} photos are too few: some are held out to score the segmenter.")
    run = Run(out)
    with run.locked():
        _check_folder(run, resume=resume)
        store = ViewStore(settings.size, None)
        keys = store.fill(dataset.photos, on_event=on_event)
        labels = _label_maps(dataset, settings.size, out / _UNFINISHED, on_event)
        _begin(run, {**asdict(settings), "photos": len(keys), "content": _digest(keys, labels)})
        if (out / "segmenter.json").exists():
            shutil.rmtree(out / _UNFINISHED)
            return run.read("segmenter.json")["scores"]

        views = _with_labels(store.open(keys), labels)
        model = _train(views, np.array(dataset.to_learn_from), len(dataset.classes), settings, out, on_event)
        segmenter = NetworkSegmenter(model, size=settings.size, classes=dataset.classes, person=dataset.person)
        scored = itertools.count(1)
        scores = score_segmenter(
            segmenter, dataset, on_photo=lambda: on_event(_counted("scored", next(scored), len(dataset.held_out)))
        )
        save(out, segmenter, scores)
        shutil.rmtree(out / _UNFINISHED)
    return scores


def _check_folder(run: Run, *, resume: bool) -> None:
    begun = (run.folder / "settings.json").exists()
    if not begun and any(path.name != _UNFINISHED for path in run.folder.glob("[!.]*")):
        raise InputError(f"{run.folder}: not empty, and not a segmenter; choose another --out.")
    if begun and not resume:
        raise InputError(f"{run.folder}: there is a segmenter already; go on by --resume, or choose another --out.")


def _begin(run: Run, content: dict[str, Any]) -> None:
    if not (run.folder / "settings.json").exists():
        run.write("settings.json", content)
    elif run.read("settings.json") != content:
        raise InputError(f"{run.folder}: was begun with other settings, masks or photos; see its settings.json.")


def _counted(what: str, done: int, of: int) -> dict[str, Any]:
    return {"event": "counted", "what": what, "done": done, "of": of}


def _label_maps(dataset: PixelDataset, size: int, folder: Path, on_event: OnEvent) -> np.ndarray:
    """The classes of all photos at the size of the views: uint8, (photos, size, size, 1), on disk."""
    folder.mkdir(exist_ok=True)
    maps = np.lib.format.open_memmap(folder / "labels.npy", "w+", np.uint8, (len(dataset.photos), size, size, 1))
    for row in range(len(dataset.photos)):
        maps[row, ..., 0] = resized(dataset.labels(row), size, size)
        on_event(_counted("masks", row + 1, len(dataset.photos)))
    return maps


def _digest(keys: list[str], labels: np.ndarray) -> str:
    return hashlib.sha256("".join(keys).encode() + hashlib.sha256(labels.data).digest()).hexdigest()


def _with_labels(views: Views, labels: np.ndarray) -> Views:
    """Views whose masks are maps of classes, so that they are moved and flipped with their photos."""
    photos = (block[row : row + 1] for block, _, row in views.rows)
    return Views(tuple((photo, labels[i : i + 1], 0) for i, photo in enumerate(photos)))


def _train(
    views: Views, rows: np.ndarray, classes: int, settings: SegmenterSettings, out: Path, on_event: OnEvent
) -> keras.Model:
    trained: dict[str, list[np.ndarray]] = {}
    for stride in settings.strides:
        keras.utils.set_random_seed(settings.seed)  # so that a stage is the same whether those before were resumed
        model = _network(settings, classes, stride)
        for layer in model.layers:
            if layer.name in trained:
                layer.set_weights(trained[layer.name])
        stage = f"fcn{stride}s" if settings.staged else settings.network
        folder = out / _UNFINISHED / stage
        folder.mkdir(exist_ok=True)
        rate = settings.learning_rate * (0.1 if trained else 1)
        _fit(model, views, rows, settings, rate, folder, _naming(stage, on_event))
        trained = {layer.name: layer.get_weights() for layer in model.layers}
    return model


def _naming(stage: str, on_event: OnEvent) -> OnEvent:
    return lambda event: on_event({"task": stage, **event})


def _network(settings: SegmenterSettings, classes: int, stride: int) -> keras.Model:
    if settings.network == "deeplab":
        from keras_sister.segmentation.deeplab import deeplab  # KerasHub is an extra

        return deeplab(classes=classes, size=settings.size, backbone=settings.backbone, weights=settings.weights)
    # Later stages start from the weights of the first, not from VGG16's.
    weights = settings.weights if stride == settings.strides[0] else "none"
    return fcn8s(classes=classes, width=settings.width, stride=stride, at_once=not settings.staged, weights=weights)


def _fit(
    model: keras.Model,
    views: Views,
    rows: np.ndarray,
    settings: SegmenterSettings,
    learning_rate: float,
    folder: Path,
    on_event: OnEvent,
) -> None:
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        # The mean over the pixels that have a class, however many of a batch those are.
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight"),
        weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="pixel_accuracy")],
    )
    nothing = np.zeros((len(views), 1), np.int8)  # the pipeline carries labels of photos; here pixels have them

    def to_pixels(pairs: ViewPairs, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        classes = pairs["mask"][..., 0]
        known = classes != VOID
        return pairs["photo"], tf.where(known, tf.cast(classes, tf.int32), 0), tf.cast(known, tf.float32)

    def batches(first_epoch: int) -> tf.data.Dataset:
        return training_batches(
            views,
            nothing,
            rows,
            batch=settings.batch,
            seed=settings.seed,
            first_epoch=first_epoch,
            epochs=settings.epochs,
            augmented=True,
        ).map(to_pixels)

    fit(
        model,
        batches,
        steps=math.ceil(len(rows) / settings.batch),
        epochs=settings.epochs,
        validation=None,
        folder=folder,
        on_event=on_event,
    )
