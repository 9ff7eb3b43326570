"""Export: a trained model and its segmenter become one SavedModel, proved before a server can see it.

saved_models/NAME/1/   saved_model.pb, variables/   what TensorFlow, and TensorFlow Serving, load
                       assets.extra/schema.json     the classes behind the outputs
                                    export.json     what went into it, and the proof
                                    config.yaml …   of a run: its settings and its scores
                  2/   the next export; none is ever overwritten
"""

import itertools
import json
import shutil
import uuid
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import keras
import tensorflow as tf

import keras_sister
from keras_sister.errors import InputError
from keras_sister.schema import Schema
from keras_sister.segmentation import open_segmenter
from keras_sister.segmenter import Segmenter
from keras_sister.serving.proof import largest_difference
from keras_sister.serving.signatures import make_archive
from keras_sister.training.run import Run
from keras_sister.training.trainer import build_model

TOLERANCE = 1e-4
"""The most that a probability of an export may differ from the model's."""

_PROOF_PHOTOS = 4


@dataclass(frozen=True)
class Export:
    """A SavedModel that was written.

    Attributes:
        folder: where it lies, such as ``saved_models/sister_a/1``.
        difference: the largest difference of a probability from the Keras model's, on the photos of the proof.
    """

    folder: Path
    difference: float


def export_run(run: Run, out: Path, *, segmenter: str | None = None, photos: Sequence[Path] = ()) -> Export:
    """Export the model of a run that ``sister-keras train`` made, in float32 whatever it was trained in.

    Args:
        run: with a ``model.keras``.
        out: folder of all versions of this export.
        segmenter: a folder made by ``sister-keras segment train``; the run's own by default.
        photos: JPEG or PNG files for the proof; some of the run's by default.

    Raises:
        InputError: if the run has no model, its segmenter cannot segment new photos, or has changed since; if none of
            the run's photos is there any more; and as `export_model` does.

    Example:
        >>> export_run(Run(Path("runs/final")), Path("saved_models/final")).folder
        PosixPath('saved_models/final/1')
    """
    trained = run.folder / "model.keras"
    experiment = run.experiment
    if not trained.exists():
        raise InputError(f"{trained}: missing; only a run of 'sister-keras train', one that has ended, has a model.")
    photos = photos or list(itertools.islice((photo for photo in run.photos if photo.exists()), _PROOF_PHOTOS))
    if not photos:
        raise InputError(
            f"{run.photos[0]}: missing, as all photos of {run.folder}; give some for the proof by --photo."
        )
    opened = _open_segmenter(run, segmenter) if experiment.needs_masks else None
    if segmenter and not opened:
        raise InputError(
            f"--segmenter: {run.folder} is of system {experiment.system}, which looks at whole photos only."
        )

    documents = [run.folder / name for name in ("config.yaml", "history.json", "summary.json")]
    return export_model(
        _load_in_float32(run, trained),
        run.schema,
        out,
        photos=photos,
        segmenter=opened,
        background=experiment.background,
        edges=experiment.edges,
        documents={document.name: document.read_text(encoding="utf-8") for document in documents if document.exists()},
    )


def export_model(
    model: keras.Model,
    schema: Schema,
    out: Path,
    *,
    photos: Sequence[Path],
    segmenter: Segmenter | None = None,
    background: str = "white",
    edges: str = "hard",
    documents: Mapping[str, str] | None = None,
) -> Export:
    """Write a model, and its segmenter, as the next version of a SavedModel.

    The SavedModel holds weights and graph only: no optimizer, no Python. Its signatures are those of
    `keras_sister.serving.signatures.make_archive`. It is written beside its place, under a name that TensorFlow
    Serving skips, loaded again in a process without Keras, compared with `model` on `photos`, and renamed.

    Args:
        model: with inputs ``photo``, ``segmented`` or ``mask`` and the schema's logits as output.
        schema: of the logits.
        out: folder of all versions.
        photos: a few JPEG or PNG files for the proof.
        segmenter: finds the person; needed if the model looks at more than ``photo``.
        background, edges: of the segmented photo, see `keras_sister.segmentation.compositing.composite`.
        documents: texts to keep in ``assets.extra``, by file name.

    Raises:
        InputError: if the export does not say what the model says, within `TOLERANCE`; then nothing is left of it.
            If Keras runs on another backend than TensorFlow, `out` cannot be written, a photo cannot be decoded, or
            an attribute has the name of another output.
        ValueError: if the model and the segmenter do not go together, or there are no photos.
    """
    if not photos:
        raise ValueError(f"Expected photos for the proof. Received: photos={photos}")
    if keras.backend.backend() != "tensorflow":
        raise InputError(f"KERAS_BACKEND={keras.backend.backend()}: an export needs the TensorFlow backend; unset it.")
    aside = out / f".{uuid.uuid4().hex}"
    try:
        (aside / "assets.extra").mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be written to: {error.strerror}") from error
    try:
        made_from: dict[str, Any] = {"segmenter": segmenter, "background": background, "edges": edges}
        make_archive(model, schema, **made_from).write_out(aside, verbose=False)
        difference = largest_difference(aside, model, schema, photos, **made_from)
        if not difference <= TOLERANCE:  # nor NaN
            raise InputError(
                f"{out}: the export would differ from the model by {difference:.2g}, and {TOLERANCE:g} is allowed;"
                " nothing was written."
            )
        about = _about(model, segmenter, background, edges)
        about["proof"] = {"photos": len(photos), "largest_difference": difference, "tolerance": TOLERANCE}
        texts = {"schema.json": schema.to_json(), "export.json": json.dumps(about, indent=1) + "\n"}
        for name, text in {**(documents or {}), **texts}.items():
            (aside / "assets.extra" / name).write_text(text, encoding="utf-8")
        return Export(_publish(aside, out), difference)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        with suppress(OSError):
            out.rmdir()  # goes only if nothing is in it


def _open_segmenter(run: Run, spec: str | None) -> Segmenter:
    experiment = run.experiment
    chosen = spec or experiment.segmenter
    segmenter = open_segmenter(chosen, keep_largest=experiment.keep_largest, margin=experiment.margin)
    if not spec and segmenter.fingerprint != run.read("views.json")["fingerprint"]:
        raise InputError(f"{chosen}: changed since {run.folder} was trained; put it back, or name one by --segmenter.")
    return segmenter


def _load_in_float32(run: Run, trained: Path) -> keras.Model:
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        model = build_model(replace(run.experiment, weights="none"), run.schema)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Keras only warns of a layer that the file does not have
            model.load_weights(trained)
    except (OSError, ValueError, KeyError, BadZipFile, UserWarning) as error:
        raise InputError(
            f"{trained}: not the model that config.yaml describes: {str(error).splitlines()[0]}"
        ) from error
    finally:
        keras.config.set_dtype_policy(policy)
    return model


def _about(model: keras.Model, segmenter: Segmenter | None, background: str, edges: str) -> dict[str, Any]:
    return {
        "size": model.inputs[0].shape[1],
        "views": [tensor.name for tensor in model.inputs],
        "segmenter": segmenter.fingerprint if segmenter else None,
        "background": background if segmenter else None,
        "edges": edges if segmenter else None,
        "versions": {
            "keras_sister": keras_sister.__version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
        },
    }


def _publish(aside: Path, out: Path) -> Path:
    """Rename a finished export to the next free number."""
    number = max((int(version.name) for version in out.iterdir() if version.name.isdecimal()), default=0) + 1
    try:
        return aside.rename(out / str(number))
    except OSError:
        if not (out / str(number)).exists():
            raise
        return _publish(aside, out)  # another export took the number meanwhile
