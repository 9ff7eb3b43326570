"""Train a segmentation network."""

import itertools
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_sister.data.image_store import Images
from keras_sister.data.pipeline import training_batches
from keras_sister.data.segmentation.dataset import VOID, SegmentationDataset
from keras_sister.data.view_store import ViewStore
from keras_sister.errors import InputError, counted, is_out_of_memory
from keras_sister.run import OnEvent
from keras_sister.segmentation.networks.fcn8s import fcn8s
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.segmentation.segmenters.network import NetworkSegmenter, save_segmenter
from keras_sister.storage.json_files import read_json, write_json
from keras_sister.storage.lock import locked
from keras_sister.training.fetch import fetch_network
from keras_sister.training.fit import check_trained, fit_model
from keras_sister.training.fused_adam import FusedAdam
from keras_sister.training.phases import Phase
from keras_sister.training.segmenters.label_maps import LabelledPhotos, hash_examples, write_label_maps
from keras_sister.training.segmenters.score import score_segmenter
from keras_sister.training.segmenters.settings import SegmenterSettings

_UNFINISHED = "training"
"""Folder of temporary files inside the segmenter's folder, removed at the end."""


def train_segmenter(
    dataset: SegmentationDataset,
    out: Path,
    settings: SegmenterSettings,
    *,
    resume: bool = False,
    on_event: OnEvent = lambda event: None,
) -> dict[str, Any]:
    """Train on the photos that are not held out, score on the others, and write a segmenter's folder.

    Args:
        dataset: photos and label maps.
        out: the folder to create, for ``--segmenter``.
        settings: how to train.
        resume: continue an interrupted training in `out`.
        on_event: receives progress events.

    Returns:
        The scores on the held-out photos, see `keras_sister.training.segmenters.score.score_segmenter`.

    Raises:
        InputError: if `out` exists, or was started with other settings, photos or masks; if a photo or a mask cannot
            be read; if a loss or a trained weight is not a finite number, or memory runs out, with what to try.
    """
    if not dataset.training_rows or not dataset.held_out:
        raise InputError(
            f"{counted(len(dataset.photos), 'photo')}: too few, since some are held out to score the segmenter."
        )
    with locked(out), _memory_errors(settings, out):
        _check_folder(out, resume=resume)
        if settings.network == "deeplab":
            fetch_network(settings.backbone, settings.weights, on_event)
        examples, digest = _prepare(dataset, settings.size, out / _UNFINISHED, on_event)
        _check_settings(out, {**asdict(settings), "photos": len(dataset.photos), "content": digest})
        if (out / "segmenter.json").exists():
            shutil.rmtree(out / _UNFINISHED)
            return read_json(out / "segmenter.json")["scores"]

        model = _train(examples, np.array(dataset.training_rows), len(dataset.classes), settings, out, on_event)
        segmenter = NetworkSegmenter(model, size=settings.size, classes=dataset.classes, person=dataset.person)
        scored = itertools.count(1)
        scores = score_segmenter(
            segmenter, dataset, on_photo=lambda: on_event(_counted("scored", next(scored), len(dataset.held_out)))
        )
        save_segmenter(out, segmenter, scores)
        shutil.rmtree(out / _UNFINISHED)
    return scores


@contextmanager
def _memory_errors(settings: SegmenterSettings, out: Path) -> Iterator[None]:
    """Turn an error of exhausted memory into what to try."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        half = settings.batch_size // 2
        smaller = f"a smaller --size or --batch-size {half}" if half else "a smaller --size"
        raise InputError(
            f"{out}: out of memory. Close other programs and start the command again with --resume, or choose another"
            f" --out and {smaller}."
        ) from error


def _check_folder(out: Path, *, resume: bool) -> None:
    started = (out / "settings.json").exists()
    if not started and any(path.name != _UNFINISHED for path in out.glob("[!.]*")):
        raise InputError(f"{out}: not empty, and not a segmenter; choose another --out.")
    if started and not resume:
        raise InputError(f"{out}: already exists; add --resume to continue it, or choose another --out.")


def _check_settings(out: Path, content: dict[str, Any]) -> None:
    if not (out / "settings.json").exists():
        write_json(out / "settings.json", content)
    elif read_json(out / "settings.json") != content:
        raise InputError(f"{out}: was started with other settings, masks or photos; see its settings.json.")


def _prepare(dataset: SegmentationDataset, size: int, scratch: Path, on_event: OnEvent) -> tuple[LabelledPhotos, str]:
    """The training examples at the network's size, and their hash."""
    store = ViewStore(size, None)
    keys = store.fill(dataset.photos, Preprocessor(None, size=size, views=("photo",)), on_event=on_event)
    scratch.mkdir(exist_ok=True)
    total = len(dataset.photos)
    maps = write_label_maps(
        dataset, size, scratch / "labels.npy", on_photo=lambda done: on_event(_counted("masks", done, total))
    )
    return LabelledPhotos(store.open(keys), maps), hash_examples(keys, maps)


def _counted(what: str, done: int, total: int) -> dict[str, Any]:
    return {"event": "counted", "what": what, "done": done, "of": total}


def _train(
    examples: LabelledPhotos,
    rows: np.ndarray,
    classes: int,
    settings: SegmenterSettings,
    out: Path,
    on_event: OnEvent,
) -> keras.Model:
    trained: dict[str, list[np.ndarray]] = {}
    for stride in settings.strides:
        keras.utils.set_random_seed(settings.seed)  # so that a stage does not depend on whether earlier ones resumed
        model = _network(settings, classes, stride)
        for layer in model.layers:
            if layer.name in trained:
                layer.set_weights(trained[layer.name])
        stage = f"fcn{stride}s" if settings.staged else settings.network
        folder = out / _UNFINISHED / stage
        folder.mkdir(exist_ok=True)
        rate = settings.learning_rate * (0.1 if trained else 1)
        _fit(model, examples, rows, settings, rate, folder, _with_task(stage, on_event))
        trained = {layer.name: layer.get_weights() for layer in model.layers}
    return model


def _with_task(stage: str, on_event: OnEvent) -> OnEvent:
    return lambda event: on_event({"task": stage, **event})


def _network(settings: SegmenterSettings, classes: int, stride: int) -> keras.Model:
    if settings.network == "deeplab":
        from keras_sister.segmentation.networks.deeplab import deeplab  # KerasHub is an extra

        return deeplab(classes=classes, size=settings.size, backbone=settings.backbone, weights=settings.weights)
    # Later stages start from the weights of the previous stage, not from VGG16's.
    weights = settings.weights if stride == settings.strides[0] else "none"
    return fcn8s(classes=classes, width=settings.width, stride=stride, at_once=not settings.staged, weights=weights)


def _fit(
    model: keras.Model,
    examples: LabelledPhotos,
    rows: np.ndarray,
    settings: SegmenterSettings,
    learning_rate: float,
    folder: Path,
    on_event: OnEvent,
) -> None:
    def compiled() -> None:
        model.compile(
            optimizer=FusedAdam(learning_rate),
            # The mean over the annotated pixels, whatever their number in a batch.
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight"),
            weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="pixel_accuracy")],
        )

    def batches(first_epoch: int) -> tf.data.Dataset:
        return training_batches(
            examples,
            rows,
            batch_size=settings.batch_size,
            seed=settings.seed,
            first_epoch=first_epoch,
            epochs=settings.epochs,
            augmented=True,
        ).map(_pixels)

    fit_model(
        model,
        [Phase(settings.epochs, compiled)],
        batches,
        steps=math.ceil(len(rows) / settings.batch_size),
        validation=None,
        folder=folder,
        on_event=on_event,
        has_precision=False,
    )
    check_trained(model, folder.name, "lower --learning-rate")


@tf.autograph.experimental.do_not_convert
def _pixels(images: Images, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Photos, classes and weights of all pixels; void pixels have the weight 0."""
    classes = images["classes"][..., 0]
    known = classes != VOID
    return images["photo"], tf.where(known, tf.cast(classes, tf.int32), 0), tf.cast(known, tf.float32)
