"""Export the final model of a run."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from keras_sister.errors import InputError
from keras_sister.evaluation.checksums import check_checksums
from keras_sister.evaluation.decisions import THRESHOLDS
from keras_sister.export.export_model import Export, export_model
from keras_sister.run import Run
from keras_sister.storage.text_files import read_text
from keras_sister.training.trained import preprocessor_of_run, trained_model

_DOCUMENTS = ("config.yaml", "history.json", "cross_validation.json", THRESHOLDS)
_MAX_BYTES = 10_000_000
_VERIFICATION_PHOTOS = {"float32": 4, "bfloat16": 64}


def export_run(
    run: Run,
    out: str | Path,
    *,
    segmenter: str | None = None,
    photos: Sequence[Path] = (),
    precision: str = "float32",
    formats: tuple[str, ...] = (),
) -> Export:
    """Export the model of a run of ``sister-keras train``, with float32 weights whatever it was trained in.

    Args:
        run: a run with ``model.keras``.
        out: folder of all versions of this export.
        segmenter: a segmenter to use in place of the run's own, as ``--segmenter`` takes it.
        photos: JPEG, PNG or WebP files for the verification; by default some of the run's.
        precision, formats: see `keras_sister.export.export_model.export_model`.

    Raises:
        InputError: if the run has no model, its segmenter cannot segment new photos or has changed, or none of its
            photos exists any more; and as `keras_sister.export.export_model.export_model` does.

    Example:
        >>> export_run(Run(Path("runs/final")), "saved_models/final").folder
        PosixPath('saved_models/final/1')
    """
    trained = run.folder / "model.keras"
    if not trained.exists():
        raise InputError(f"{trained}: missing; only a finished run of 'sister-keras train' has a model.")
    check_checksums(run, run.folder, "history.json", "cross_validation.json", THRESHOLDS)
    needed = _VERIFICATION_PHOTOS.get(precision, 1)
    photos = photos or list(itertools.islice((photo for photo in run.photos if photo.exists()), needed))
    if not photos:
        raise InputError(
            f"{run.folder}: none of its photos exists any more; name some for the verification by --photo."
        )
    if segmenter and not run.experiment.needs_masks:
        raise InputError(f"--segmenter: {run.folder} has the system {run.experiment.system}, which needs no segmenter.")
    return export_model(
        trained_model(run, trained),
        out,
        schema=run.schema,
        photos=photos,
        preprocessor=preprocessor_of_run(run, segmenter),
        documents={name: _read_text(run.folder / name) for name in _DOCUMENTS if (run.folder / name).exists()},
        precision=precision,
        formats=formats,
    )


def _read_text(document: Path) -> str:
    try:
        return read_text(document, max_bytes=_MAX_BYTES)
    except InputError as error:
        raise InputError(f"{error} Remove it to export without it.") from error
