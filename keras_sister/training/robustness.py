"""Predictions of a run's folds for changed photos: other backgrounds, and wrong masks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_sister.config import Experiment
from keras_sister.data.image_store import Images
from keras_sister.data.pipeline import evaluation_batches
from keras_sister.data.view_store import ViewPairs, ViewStore
from keras_sister.errors import InputError
from keras_sister.evaluation.checksums import CHECKSUMS, note_file
from keras_sister.evaluation.robustness import BACKGROUNDS, check_unchanged, draw_backgrounds, is_as_predicted
from keras_sister.run import OnEvent, Run, changed
from keras_sister.segmentation.background_swap import dilated, eroded, shows_background, swap_background
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.segmentation.segmenters.open import open_segmenter
from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.regular_files import check_regular
from keras_sister.training.trained import preprocessor_of_run, trained_model

_MASK_CHANGES: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "eroded": eroded,
    "dilated": dilated,
    "nobody": tf.zeros_like,
}

_Change = Callable[[np.ndarray], tf.data.Dataset]
"""From rows to batches of view pairs with wrong masks."""


@dataclass(frozen=True)
class _Views:
    """What the predictions of a run are made from.

    Attributes:
        preprocessor: makes the model's inputs from view pairs.
        pairs: the photos with the masks that cut persons out.
        other: the photos with another segmenter's masks; None without one.
        usable: which photos can give their background to another, and take one: bool array, shape (photos,).
        fingerprints: of what made the masks, those of `pairs` first.
    """

    preprocessor: Preprocessor
    pairs: ViewPairs
    other: ViewPairs | None
    usable: np.ndarray
    fingerprints: list[str]


def predict_changed_photos(run: Run, on_event: OnEvent) -> None:
    """Predict every fold's photos with other backgrounds and with wrong masks, by the model tested on that fold.

    Writes ``robustness.npz`` into each fold's folder; folds that have one for the same masks are kept. What it holds is
    described in `keras_sister.evaluation.robustness.read_robustness`.

    Args:
        run: all its folds have ended; ``robustness.json`` names the other segmenter.
        on_event: receives the number of ``predicted`` photos, all changes counted.

    Raises:
        InputError: if a segmenter cannot be opened; if photos, segmenter or weights are not those of the run.
    """
    views = _open_views(run, on_event)
    numbers = range(len(run.folds))
    missing = [number for number in numbers if _fingerprints(run, number) != views.fingerprints]
    if missing:
        _forget_scores(run)
    changes = _changes(run, views)
    of = (BACKGROUNDS + len(changes)) * sum(len(rows) for rows in run.folds)
    done = (BACKGROUNDS + len(changes)) * sum(len(run.folds[number]) for number in numbers if number not in missing)
    for number in missing:
        for photos in _predict_fold(run, number, views, changes):
            done += photos
            on_event({"event": "counted", "what": "predicted", "done": done, "of": of})


def _forget_scores(run: Run) -> None:
    """Take the scores out of the summary that files about to be replaced gave: a killed run keeps no false number."""
    if (run.folder / "summary.json").exists():
        summary = run.read("summary.json")
        if not isinstance(summary, dict):
            raise changed(run.folder / "summary.json")
        if summary.pop("robustness", None) is not None:
            run.write("summary.json", summary)


def _other_segmenter(run: Run) -> str | None:
    """The segmenter that ``robustness.json`` names, whose masks replace the run's own; None without one."""
    content = run.read("robustness.json")
    if not isinstance(content, dict) or not isinstance(other := content.get("other_segmenter"), str | None):
        raise changed(run.folder / "robustness.json")
    return other


def _open_views(run: Run, on_event: OnEvent) -> _Views:
    experiment = run.experiment
    preprocessor = preprocessor_of_run(run)
    own = preprocessor if experiment.needs_masks else _masker(experiment, experiment.segmenter)
    pairs = _fill(run, own, on_event)
    other_name = _other_segmenter(run)
    other = _masker(experiment, other_name) if other_name else None
    blocks = np.array_split(np.arange(len(pairs)), max(1, len(pairs) // 64))
    return _Views(
        preprocessor=preprocessor,
        pairs=pairs,
        other=_fill(run, other, on_event) if other else None,
        usable=np.concatenate([shows_background(pairs.masks(rows)).numpy() for rows in blocks]),
        fingerprints=[str(maker.fingerprint) for maker in (own, other) if maker],
    )


def _masker(experiment: Experiment, segmenter: str) -> Preprocessor:
    """A preprocessor that fills a view store with the masks of `segmenter`, processed as the run's masks are."""
    opened = open_segmenter(segmenter, keep_largest=experiment.keep_largest, margin=experiment.margin)
    return Preprocessor(opened, size=experiment.size, min_person_share=experiment.min_person_share)


def _fill(run: Run, preprocessor: Preprocessor, on_event: OnEvent) -> ViewPairs:
    store = ViewStore(run.experiment.size, preprocessor.fingerprint)
    keys = store.fill(run.photos, preprocessor, on_event=on_event)
    for photo, then, now in zip(run.photos, run.photo_keys, keys, strict=True):
        if then != now:
            raise InputError(f"{photo}: changed since {run.folder} was started; restore it, or start another run.")
    return store.open(keys, run.photos)


def _fingerprints(run: Run, number: int) -> list[str] | None:
    """The fingerprints in a fold's file; None if it is missing, changed or damaged."""
    try:
        check_regular(run.fold(number).robustness)
        if not is_as_predicted(run, number):
            return None
        with np.load(run.fold(number).robustness, allow_pickle=False) as saved:
            return saved["fingerprints"].tolist()
    except Exception:  # NumPy and zipfile raise many kinds for a damaged file, which is then made again
        return None


def _changes(run: Run, views: _Views) -> dict[str, _Change]:
    """The changes of masks, by name; none for a system without masks."""
    if not run.experiment.needs_masks:
        return {}
    batch_size = run.experiment.batch_size

    def changed(change: Callable[[tf.Tensor], tf.Tensor]) -> _Change:
        def batches(rows: np.ndarray) -> tf.data.Dataset:
            pairs = evaluation_batches(views.pairs, rows, batch_size=batch_size)
            return pairs.map(lambda pair, _: {**pair, "mask": change(pair["mask"])})

        return batches

    changes = {name: changed(change) for name, change in _MASK_CHANGES.items()}
    if views.other is not None:
        other = views.other
        changes["other_segmenter"] = lambda rows: evaluation_batches(other, rows, batch_size=batch_size).map(
            lambda pair, _: pair
        )
    return changes


def _predict_fold(run: Run, number: int, views: _Views, changes: dict[str, _Change]) -> Iterator[int]:
    """Predict one fold's photos and write its file; yields the number of photos after each change."""
    fold, rows = run.fold(number), run.folds[number]
    weights = run.fold_weights(number)
    if not weights.exists():
        raise InputError(f"{weights}: missing; remove {fold.folder} and run the command again to train it again.")
    model = trained_model(run, weights, precision=run.experiment.precision)
    batch_size = run.experiment.batch_size

    def logits(pairs: tf.data.Dataset) -> np.ndarray:
        return model.predict(pairs.map(views.preprocessor.views), verbose=0)

    own = logits(evaluation_batches(views.pairs, rows, batch_size=batch_size).map(lambda pair, _: pair))
    with np.load(fold.predictions, allow_pickle=False) as saved:
        check_unchanged(run, number, own, saved["logits"])
    backgrounds = draw_backgrounds(rows, views.usable, run.groups, seed=run.experiment.seed)
    content: dict[str, Any] = {
        "rows": rows,
        "logits": own,
        "backgrounds": backgrounds,
        "fingerprints": np.array(views.fingerprints),
    }
    swapped = []
    for others in backgrounds:
        behind = np.where(others < 0, rows, others)
        swapped.append(logits(_swapped(views.pairs, rows, behind, batch_size)))
        yield len(rows)
    content["swapped"] = np.stack(swapped)
    for name, batches in changes.items():
        content[name] = logits(batches(rows))
        yield len(rows)

    def write(path: Path) -> None:
        np.savez(path, **content)
        if (fold.folder / CHECKSUMS).exists():
            note_file(fold.robustness, path)

    write_atomically(fold.robustness, write)


def _swapped(pairs: ViewPairs, rows: np.ndarray, behind: np.ndarray, batch_size: int) -> tf.data.Dataset:
    """Batches of view pairs: the persons of `rows`, with their masks, before the backgrounds of `behind`."""
    persons, others = (evaluation_batches(pairs, chosen, batch_size=batch_size) for chosen in (rows, behind))

    def swap(person: tuple[Images, tf.Tensor], other: tuple[Images, tf.Tensor]) -> Images:
        photo, mask = person[0]["photo"], person[0]["mask"]
        return {"photo": swap_background(photo, mask, other[0]["photo"], other[0]["mask"]), "mask": mask}

    return tf.data.Dataset.zip((persons, others)).map(swap)
