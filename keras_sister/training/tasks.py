"""What a worker does: make the views of a run, train and test one fold, or train on everything.

A task that was killed goes on where it stopped when it is performed again.
"""

import keras
import numpy as np

from keras_sister.atomic import write_aside
from keras_sister.data.folds import inner_split
from keras_sister.data.views import ViewStore
from keras_sister.errors import InputError
from keras_sister.segmentation import open_segmenter
from keras_sister.training.fit import CHECKPOINT, WEIGHTS
from keras_sister.training.run import OnEvent, Run
from keras_sister.training.trainer import Trainer


def perform(run: Run, task: str, on_event: OnEvent) -> None:
    """Do one task of a run.

    Args:
        run: with its settings, dataset and folds in place.
        task: ``views``, ``train``, or ``fold-00`` and so on.
        on_event: told of progress, in dicts with the key ``event``.

    Raises:
        InputError: for what a user can mend, such as a broken photo.
    """
    keras.config.set_dtype_policy(run.experiment.precision)
    if task == "views":
        make_views(run, on_event)
    elif task == "train":
        train_on_everything(run, on_event)
    else:
        train_fold(run, int(task.removeprefix("fold-")), on_event)


def make_views(run: Run, on_event: OnEvent) -> None:
    """Fill the view store and write ``views.json``; tell how many photos show nobody.

    Raises:
        InputError: if the photos or the segmenter have changed since the run was begun.
    """
    experiment, photos = run.experiment, run.photos
    segmenter = None
    if experiment.needs_masks:
        segmenter = open_segmenter(experiment.segmenter, keep_largest=experiment.keep_largest, margin=experiment.margin)
    store = ViewStore(experiment.size, segmenter.fingerprint if segmenter else None)
    keys = store.fill(photos, segmenter, on_event=on_event)
    if (run.folder / "views.json").exists():
        before = run.read("views.json")
        if before["fingerprint"] != store.fingerprint:
            raise InputError(f"{experiment.segmenter}: changed since {run.folder} was begun; begin another with --out.")
        for photo, then, now in zip(photos, before["keys"], keys, strict=True):
            if then != now:
                raise InputError(f"{photo}: changed since {run.folder} was begun; begin another run with --out.")
    nobody = [photos[row].name for row in store.open(keys).without_person()]
    run.write("views.json", {"fingerprint": store.fingerprint, "keys": keys, "without_person": nobody})
    if experiment.needs_masks:
        on_event({"event": "nobody", "photos": len(nobody), "of": len(photos)})


def train_fold(run: Run, fold: int, on_event: OnEvent) -> None:
    """Train on the other folds, pick the epoch on a part of them, and predict the photos of this fold.

    Leaves ``history.json``, ``model.weights.h5`` and ``predictions.npz`` in the fold's folder.
    """
    labels, test = run.labels, run.folds[fold]
    rest = np.setdiff1d(np.arange(len(labels)), test)
    # Folds of one run must not share random numbers; the same fold of two runs of one seed should.
    seed = int(np.random.default_rng([run.experiment.seed, fold]).integers(2**31))
    train, validation = inner_split(labels, run.schema, rest, seed=seed)
    folder = run.folder / f"fold-{fold:02d}"
    folder.mkdir(exist_ok=True)

    trainer = Trainer(run, seed=seed)
    trainer.fit(train, validation, folder=folder, on_event=on_event)
    predictions = {
        "photos": np.array([run.photos[row].name for row in test]),
        "rows": test,
        "labels": labels[test],
        "logits": trainer.predict(test),
    }
    write_aside(folder / "predictions.npz", lambda path: np.savez(path, **predictions))
    (folder / CHECKPOINT).unlink(missing_ok=True)


def train_on_everything(run: Run, on_event: OnEvent) -> None:
    """Train on all photos for all epochs; leaves ``history.json`` and ``model.keras`` in the run folder."""
    trainer = Trainer(run, seed=run.experiment.seed)
    trainer.fit(np.arange(len(run.labels)), None, folder=run.folder, on_event=on_event)
    model = trainer.model
    network = keras.Model(model.input, model.output, name=model.name)  # without the optimizer, twice the weights' size
    write_aside(run.folder / "model.keras", network.save)
    for left in (CHECKPOINT, WEIGHTS):
        (run.folder / left).unlink(missing_ok=True)
