"""A run whose model is right as often as its probabilities say, but for logits that are too large."""

from pathlib import Path

import numpy as np

from keras_sister.evaluation.summary import summarize
from keras_sister.run import Run
from keras_sister.schema import Attribute, Schema

from ..run_folder import note_all_checksums, write_run

SCHEMA = Schema(
    (Attribute("scarf"), Attribute("sleeves", ("none", "short", "long")), Attribute("gender", ("male", "female")))
)
FACTOR = 2.5
"""By which the logits of the first two attributes are too large; those of the third say nothing of the labels."""


def write_calibrated_run(folder: Path, *, photos: int = 240, seed: int = 0) -> Run:
    rng = np.random.default_rng(seed)
    logits = np.concatenate(
        [rng.normal(-1.5, 2.5, (photos, 1)), rng.normal(0, 3, (photos, 3)), rng.normal(0, 0.5, (photos, 1))], axis=1
    )
    probabilities = SCHEMA.probabilities(logits)
    labels = np.stack(
        [
            rng.random(photos) < probabilities["scarf"],
            [rng.choice(3, p=p) for p in probabilities["sleeves"]],
            rng.random(photos) < 0.5,
        ],
        axis=1,
    ).astype(np.int32)
    labels[rng.random(labels.shape) < 0.1] = -1
    run = write_run(folder, labels, schema=SCHEMA)
    logits[:, :4] *= FACTOR
    for number, rows in enumerate(run.folds):
        file = run.fold(number).predictions
        with np.load(file) as saved:
            content = dict(saved)
        np.savez(file, **{**content, "logits": logits[rows].astype(np.float32)})
    note_all_checksums(run)
    run.write("summary.json", summarize(run))
    return run
