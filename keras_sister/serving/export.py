"""Export: a trained model and its segmenter become one SavedModel, proved before a server can see it.

saved_models/NAME/1/   saved_model.pb, variables/   what TensorFlow, and TensorFlow Serving, load
                       assets.extra/schema.json     the classes behind the outputs
                                    export.json     what went into it, and the proof
                                    model_card.md   the same to read, with the scores
                                    config.yaml …   of a run: its settings and its scores
                                    tf_serving_warmup_requests
                       onnx/ …                      the network in other formats, where they were asked for
                  2/   the next export; none is ever overwritten
                  batching_parameters.txt, models.config, docker-compose.yaml
"""

import itertools
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np
import tensorflow as tf

import keras_sister
from keras_sister.errors import InputError
from keras_sister.schema import Schema
from keras_sister.segmentation import open_segmenter
from keras_sister.segmenter import Segmenter
from keras_sister.serving.export_folder import place_aside, publish
from keras_sister.serving.folding import fold, fold_segmenter
from keras_sister.serving.formats import answers, check_formats, convert
from keras_sister.serving.model_card import model_card
from keras_sister.serving.proof import compare
from keras_sister.serving.server_files import BATCHES, write_server_files
from keras_sister.serving.signatures import make_archive
from keras_sister.serving.warmup import FILE as WARMUP
from keras_sister.serving.warmup import Request, write_warmup
from keras_sister.training.run import Run
from keras_sister.training.trainer import build_model

TOLERANCES = {"float32": 1e-4, "bfloat16": 0.1}
"""The most that a probability of an export may differ from the model's, by precision."""

_PROOF_PHOTOS = 4
_AGREEMENT_PHOTOS = 64


@dataclass(frozen=True)
class Export:
    """A SavedModel that was written.

    Attributes:
        folder: where it lies, such as ``saved_models/sister_a/1``.
        difference: the largest difference of a probability from the Keras model's, on the photos of the proof.
    """

    folder: Path
    difference: float


def export_run(
    run: Run,
    out: Path,
    *,
    segmenter: str | None = None,
    photos: Sequence[Path] = (),
    precision: str = "float32",
    formats: tuple[str, ...] = (),
) -> Export:
    """Export the model of a run that ``sister-keras train`` made, in float32 whatever it was trained in.

    Args:
        run: with a ``model.keras``.
        out: folder of all versions of this export.
        segmenter: a folder made by ``sister-keras segment train``; the run's own by default.
        photos: JPEG or PNG files for the proof; some of the run's by default.
        precision, formats: see `export_model`.

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
    needed = _PROOF_PHOTOS if precision == "float32" else _AGREEMENT_PHOTOS
    photos = photos or list(itertools.islice((photo for photo in run.photos if photo.exists()), needed))
    if not photos:
        raise InputError(f"{run.folder}: none of its photos is there any more; give some for the proof by --photo.")
    opened = _open_segmenter(run, segmenter) if experiment.needs_masks else None
    if segmenter and not opened:
        raise InputError(
            f"--segmenter: {run.folder} is of system {experiment.system}, which looks at whole photos only."
        )

    schema = run.schema
    names = [name for name in ("config.yaml", "history.json", "cross_validation.json") if (run.folder / name).exists()]
    documents = {name: _text(run.folder / name) for name in names}
    return export_model(
        _load_in_float32(run, trained, schema),
        schema,
        out,
        photos=photos,
        segmenter=opened,
        background=experiment.background,
        edges=experiment.edges,
        documents=documents,
        precision=precision,
        formats=formats,
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
    precision: str = "float32",
    formats: tuple[str, ...] = (),
) -> Export:
    """Write a model, and its segmenter, as the next version of a SavedModel.

    The SavedModel holds weights and graph only: no optimizer, no Python; batch normalisation is folded into the
    convolutions before it, the segmenter's too. Its signatures are those of
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
        precision: ``float32``; or ``bfloat16``, in which the network computes (not the segmenter) with weights in
            float32: faster on CPUs that have it, and how often it agrees with float32 is measured on `photos`.
        formats: of `keras_sister.serving.formats.FILES`: the network for other runtimes too, each loaded and compared.

    Raises:
        InputError: if the export does not say what the model says, within `TOLERANCES`; then nothing is left of it.
            If Keras runs on another backend than TensorFlow, `out` cannot be written, a photo cannot be decoded, an
            attribute has the name of another output, or what a format needs is not installed.
        ValueError: if the model and the segmenter do not go together, or there are no photos.
    """
    if not photos:
        raise ValueError(f"Expected photos for the proof. Received: photos={photos}")
    if keras.backend.backend() != "tensorflow":
        raise InputError(f"KERAS_BACKEND={keras.backend.backend()}: an export needs the TensorFlow backend; unset it.")
    if formats and precision != "float32":
        raise InputError(f"--format {formats[0]}: in float32 only; leave --precision out.")
    check_formats(formats)
    with _disk_errors(out), place_aside(out) as aside:
        folded = fold_segmenter(segmenter) if segmenter else None
        network = fold(model, bfloat16=precision == "bfloat16")
        archive = make_archive(network, schema, segmenter=folded, background=background, edges=edges)
        archive.write_out(aside, verbose=False)
        (aside / "assets.extra").mkdir()
        about = _about(model, segmenter, background, edges, precision)
        made_from = {"segmenter": segmenter, "folded": folded, "background": background, "edges": edges}
        about["proof"] = _proof(aside, model, schema, photos, precision, made_from)
        about["formats"] = {name: _add_format(aside, name, model, schema) for name in dict.fromkeys(formats)}
        texts = {"schema.json": schema.to_json(), "export.json": json.dumps(about, indent=1) + "\n"}
        texts = {**(documents or {}), **texts}
        texts["model_card.md"] = model_card(schema, about, texts)
        for name, text in texts.items():
            (aside / "assets.extra" / name).write_text(text, encoding="utf-8")
        write_warmup(aside / "assets.extra" / WARMUP, out.resolve().name, _requests(model, segmenter))
        write_server_files(out)
        return Export(publish(aside, out), about["proof"]["largest_difference"])


@contextmanager
def _disk_errors(out: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, tf.errors.ResourceExhaustedError) as error:
        raise InputError(f"{out}: cannot be written: {str(error).splitlines()[0]}") from error


def _proof(
    aside: Path, model: keras.Model, schema: Schema, photos: Sequence[Path], precision: str, made_from: dict[str, Any]
) -> dict[str, Any]:
    """Compare what was written with the model; what there is to say of it."""
    compared = compare(aside, model, schema, photos, **made_from)
    tolerance = TOLERANCES[precision]
    if not compared.largest_difference <= tolerance:  # nor NaN
        raise InputError(
            f"{aside.parent}: the export would differ from the model by {compared.largest_difference:.2g}, and"
            f" {tolerance:g} is allowed; nothing was written."
        )
    found = {
        "photos": len(photos),
        "largest_difference": compared.largest_difference,
        "tolerance": tolerance,
    }
    return found if precision == "float32" else {**found, "agreement": compared.agreement}


def _add_format(aside: Path, name: str, model: keras.Model, schema: Schema) -> dict[str, float]:
    """Write the network in another format, ask it about random views, and compare by name."""
    file = convert(aside, name, aside / name)
    rng = np.random.default_rng(0)
    views = {tensor.name: rng.integers(0, 256, (2, *tensor.shape[1:]), np.uint8) for tensor in model.inputs}
    expected = schema.probabilities(keras.ops.convert_to_numpy(model(views, training=False)))
    found = answers(file, name, views)
    difference = max(float(np.abs(found[attribute] - values).max()) for attribute, values in expected.items())
    if not difference <= TOLERANCES["float32"]:
        raise InputError(
            f"{aside.parent}: {name} would differ from the model by {difference:.2g}; nothing was written."
        )
    return {"largest_difference": difference}


def _requests(model: keras.Model, segmenter: Segmenter | None) -> Iterator[Request]:
    """A request for every signature, and for every size of batch that the server makes."""
    size = model.inputs[0].shape[1]
    photo = np.indices((size, size, 3)).sum(axis=0).astype(np.uint8)
    jpeg = tf.io.encode_jpeg(photo).numpy()
    for batch in BATCHES:
        yield "serving_default", {"image_bytes": tf.constant([jpeg] * batch)}
    yield "prepare", {"image_bytes": tf.constant([jpeg])}
    yield "images", {"images": tf.constant(photo[None])}
    yield "views", {tensor.name: tf.constant(photo[None, ..., : tensor.shape[-1]]) for tensor in model.inputs}
    if segmenter is not None:
        yield "segment", {"images": tf.constant(photo[None])}


def _open_segmenter(run: Run, spec: str | None) -> Segmenter:
    experiment = run.experiment
    chosen = spec or experiment.segmenter
    segmenter = open_segmenter(chosen, keep_largest=experiment.keep_largest, margin=experiment.margin)
    if not spec and segmenter.fingerprint != run.read("views.json")["fingerprint"]:
        raise InputError(f"{chosen}: changed since {run.folder} was trained; put it back, or name one by --segmenter.")
    return segmenter


def _text(document: Path) -> str:
    try:
        return document.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{document}: not readable: {error}; remove it, and the export goes without.") from error


def _load_in_float32(run: Run, trained: Path, schema: Schema) -> keras.Model:
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        model = build_model(replace(run.experiment, weights="none"), schema)
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


def _about(
    model: keras.Model, segmenter: Segmenter | None, background: str, edges: str, precision: str
) -> dict[str, Any]:
    return {
        "precision": precision,
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
