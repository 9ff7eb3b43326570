"""Export a model and its preprocessor as a SavedModel, verified before a server can see it.

saved_models/NAME/1/   saved_model.pb, variables/   what TensorFlow and TensorFlow Serving load
                       assets.extra/schema.json     attributes and classes of the outputs
                                    export.json     what went into it, and the verification
                                    model_card.md   the same to read, with the scores
                                    config.yaml …   of a run: its settings, its scores, and thresholds.json
                                    tf_serving_warmup_requests
                       onnx/ …                      the network in other formats, if requested
                  2/   the next export; no version is ever overwritten
                  batching_parameters.txt, models.config, monitoring.config, prometheus.yml, docker-compose.yaml
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_sister import __version__
from keras_sister.errors import InputError, check_choice, reason_of
from keras_sister.evaluation.decisions import THRESHOLDS, Rules, parse_rules
from keras_sister.export.formats import add_format, check_formats
from keras_sister.export.model_card import check_documents, model_card
from keras_sister.export.server_files import write_server_files
from keras_sister.export.signatures import Signatures, check_match
from keras_sister.export.verify import DecodedPhoto, decode_photos, verify_export
from keras_sister.export.warmup import FILE as WARMUP_FILE
from keras_sister.export.warmup import warmup_requests, write_warmup
from keras_sister.folding import fold_batch_norm
from keras_sister.models import schema_of
from keras_sister.photo_files import PIXELS_VERSION
from keras_sister.schema import Schema
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.segmenter import Segmenter
from keras_sister.serving.choices import PRECISIONS
from keras_sister.serving.export_folder import new_version, next_version, publish
from keras_sister.storage.json_files import parse_json

TOLERANCES = {"float32": 1e-4, "bfloat16": 0.1}
"""Largest allowed difference of a probability from the Keras model's, by precision."""


@dataclass(frozen=True)
class Export:
    """An export that was written.

    Attributes:
        folder: its path, such as ``saved_models/sister_a/1``.
        difference: largest difference of a probability from the Keras model's, on the verification photos.
    """

    folder: Path
    difference: float


def export_model(
    model: keras.Model,
    out: str | Path,
    *,
    photos: Sequence[str | Path],
    preprocessor: Preprocessor | None = None,
    schema: Schema | None = None,
    documents: Mapping[str, str] | None = None,
    precision: str = "float32",
    formats: tuple[str, ...] = (),
) -> Export:
    """Write a model as the next version of a SavedModel that takes image bytes.

    The SavedModel contains weights and graph only: no optimizer, no Python. Batch normalisation is folded into the
    convolutions, also in the segmenter. Its signatures are those of `keras_sister.export.signatures.Signatures`. It is
    written under a temporary name that TensorFlow Serving ignores, loaded in a process without Keras, compared with
    `model` on `photos`, and renamed.

    Args:
        model: with inputs ``photo``, ``segmented`` or ``mask`` and the schema's logits as output.
        out: folder of all versions.
        photos: a few JPEG, PNG or WebP files for the verification.
        preprocessor: makes the model's views; needed if the model takes more than ``photo``.
        schema: attributes and classes; by default those that the model carries.
        documents: texts to keep in ``assets.extra``, by file name. With a ``thresholds.json``, see
            `keras_sister.evaluation.thresholds.fit_thresholds`, the export has the outputs ``decisions`` and
            ``confidence``.
        precision: compute precision of the network: ``float32``, or ``bfloat16`` with float32 weights, which is faster
            on CPUs that support it; the agreement with float32 is then measured on `photos`.
        formats: keys of `keras_sister.serving.choices.FORMATS`: further formats of the network, each loaded and
            compared.

    Raises:
        InputError: if the export differs from the model by more than `TOLERANCES`; then nothing is left of it. If
            Keras does not run on TensorFlow, `out` cannot be written, a photo cannot be decoded, an attribute has the
            name of another output, the thresholds are of other attributes, a choice is unknown, or a format's packages
            are not installed.
        ValueError: if model and preprocessor do not match, or there are no photos.

    Example:
        >>> export_model(model, "saved_models/mine", photos=["me.jpg"], preprocessor=Preprocessor("selfie"))
        Export(folder=PosixPath('saved_models/mine/1'), difference=1.2e-07)
    """
    out, files = Path(out), [Path(photo) for photo in photos]
    _check(files, precision, formats)
    schema = schema or schema_of(model)
    preprocessor = preprocessor or Preprocessor(None, size=model.inputs[0].shape[1], views=("photo",))
    check_match(model, preprocessor)
    rules = _rules(schema, documents or {})
    check_documents(schema, documents or {})
    decoded = decode_photos(files)
    with _disk_errors(out), new_version(out) as temporary:
        folded = preprocessor.folded()
        network = fold_batch_norm(model, bfloat16=precision == "bfloat16")
        Signatures(network, schema, folded, rules).write(temporary)
        (temporary / "assets.extra").mkdir()
        about = _about(model, preprocessor, precision)
        about["verification"] = _verify(
            temporary, model, schema, decoded, precision, preprocessor, folded.segmenter, rules
        )
        about["formats"] = {
            name: {"largest_difference": add_format(temporary, name, model, schema, TOLERANCES["float32"], rules)}
            for name in dict.fromkeys(formats)
        }
        texts = {"schema.json": schema.to_json(), "export.json": json.dumps(about, indent=1) + "\n"}
        texts = {**(documents or {}), **texts}
        texts["model_card.md"] = model_card(schema, about, texts)
        for name, text in texts.items():
            (temporary / "assets.extra" / name).write_text(text, encoding="utf-8")
        requests = warmup_requests(model, has_segmenter=preprocessor.segmenter is not None)
        write_warmup(temporary / "assets.extra" / WARMUP_FILE, out.resolve().name, requests)
        write_server_files(out, tf.__version__, first_version=next_version(out))
        return Export(publish(temporary, out), about["verification"]["largest_difference"])


def _rules(schema: Schema, documents: Mapping[str, str]) -> Rules | None:
    text = documents.get(THRESHOLDS)
    return None if text is None else parse_rules(schema, parse_json(text, THRESHOLDS), THRESHOLDS)


def _check(photos: Sequence[Path], precision: str, formats: tuple[str, ...]) -> None:
    if not photos:
        raise ValueError(f"Expected photos for the verification. Received: photos={photos}")
    check_choice("precision", precision, PRECISIONS)
    check_formats(formats)
    if keras.backend.backend() != "tensorflow":
        raise InputError(f"KERAS_BACKEND={keras.backend.backend()}: an export needs the TensorFlow backend; unset it.")
    if formats and precision != "float32":
        raise InputError(f"--format {formats[0]}: float32 only; omit --precision.")


@contextmanager
def _disk_errors(out: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, tf.errors.ResourceExhaustedError) as error:
        raise InputError(f"{out}: cannot be written: {reason_of(error)}. Nothing was published.") from error


def _verify(
    temporary: Path,
    model: keras.Model,
    schema: Schema,
    photos: Sequence[DecodedPhoto],
    precision: str,
    preprocessor: Preprocessor,
    folded: Segmenter | None,
    rules: Rules | None,
) -> dict[str, Any]:
    """Compare the written export with the model; the record for ``export.json``."""
    tolerance = TOLERANCES[precision]
    compared = verify_export(
        temporary,
        model,
        schema,
        photos,
        preprocessor=preprocessor,
        folded=folded,
        rules=rules,
        tolerance=tolerance,
    )
    if not compared.largest_difference <= tolerance:  # also true for NaN
        raise InputError(
            f"{temporary.parent}: the export differs from the model by {compared.largest_difference:.2g}; at most"
            f" {tolerance:g} is allowed. Nothing was written."
        )
    record = {
        "photos": len(photos),
        "largest_difference": compared.largest_difference,
        "tolerance": tolerance,
    }
    return record if precision == "float32" else {**record, "agreement": compared.agreement}


def _about(model: keras.Model, preprocessor: Preprocessor, precision: str) -> dict[str, Any]:
    has_segmenter = preprocessor.segmenter is not None
    return {
        "precision": precision,
        "size": model.inputs[0].shape[1],
        "views": [tensor.name for tensor in model.inputs],
        "segmenter": preprocessor.segmenter.fingerprint if preprocessor.segmenter else None,
        "background": preprocessor.background if has_segmenter else None,
        "edges": preprocessor.edges if has_segmenter else None,
        "min_person_share": preprocessor.min_person_share if has_segmenter else None,
        "images": PIXELS_VERSION,
        "versions": {"keras_sister": __version__, "keras": keras.__version__, "tensorflow": tf.__version__},
    }
