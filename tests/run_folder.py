"""A finished run folder, written without a training."""

from pathlib import Path

import numpy as np

from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.evaluation.checksums import note_checksums, note_file
from keras_sister.evaluation.summary import summarize
from keras_sister.run import Run
from keras_sister.schema import Attribute, Schema
from keras_sister.training.start import start_run

SCHEMA = Schema((Attribute("scarf"), Attribute("sleeves", ("none", "short", "long"))))
EXPERIMENT = Experiment(system="baseline", backbone="resnet_mini", weights="none", size=32, folds=3)


def write_run(
    folder: Path,
    labels: np.ndarray,
    *,
    schema: Schema = SCHEMA,
    experiment: Experiment = EXPERIMENT,
    photos: tuple[Path, ...] = (),
    groups: np.ndarray | None = None,
) -> Run:
    """A run of random logits, its photos dealt to the folds in turn. Unless given, the photos do not exist."""
    rng, run = np.random.default_rng(0), Run(folder)
    folder.mkdir(parents=True)
    photos = photos or tuple(folder / "images" / f"{number + 1:06d}.jpg" for number in range(len(labels)))
    dataset = Dataset(schema, photos, labels, groups)
    start_run(run, dataset, experiment.absolute(), resume=False)
    folds = [np.arange(len(photos))[number :: experiment.folds] for number in range(experiment.folds)]
    run.write("folds.json", [rows.tolist() for rows in folds])
    keys = [f"{number:064x}" for number in range(len(photos))]
    run.write("views.json", {"fingerprint": None, "segmenter": experiment.segmenter, "keys": keys})
    for number, rows in enumerate(folds):
        fold = run.fold(number)
        fold.folder.mkdir()
        epochs = [{"loss": 1.0, "macc": 0.5, "val_loss": 1.0 - epoch / 10, "val_macc": 0.6} for epoch in range(3)]
        run.write(f"{fold.name}/history.json", {"best_epoch": 2, "epochs": epochs})
        np.savez(
            fold.predictions,
            photos=[photos[row].name for row in rows],
            rows=rows,
            labels=dataset.labels[rows],
            logits=rng.normal(size=(len(rows), schema.n_logits)).astype("float32"),
        )
    note_all_checksums(run)
    run.write("summary.json", summarize(run))
    return run


def note_all_checksums(run: Run) -> None:
    """Make the folder as it is now what training wrote."""
    for number in range(len(run.folds)):
        fold = run.fold(number)
        note_checksums(run, fold.folder, fold.predictions.name, fold.predictions)
        if fold.robustness.exists():
            note_file(fold.robustness, fold.robustness)
