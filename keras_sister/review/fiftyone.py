"""The JSON of FiftyOne, as ``Dataset.from_json`` reads and ``Dataset.write_json`` writes it.

    {"name": …, "media_type": "image", "sample_fields": {"label_neckline": "…(…Classification)", …},
     "samples": [{"filepath": …, "photo_sha256": …, "label_neckline": {"_cls": "Classification", "label": "round", …},
                  "suggested_neckline": {…}}, …]}

The class to correct is in ``label_<attribute>``, what the model suggests in ``suggested_<attribute>``. The prefixes
keep attributes apart from FiftyOne's own fields, such as ``id`` and ``metadata``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_sister.errors import InputError, quoted
from keras_sister.review.correction import Correction, check_hash
from keras_sister.schema import Schema

_LABEL, _SUGGESTED, _SHA256 = "label_", "suggested_", "photo_sha256"
_TEXT = "fiftyone.core.fields.StringField"
_FIELDS = {
    "filepath": _TEXT,
    "tags": f"fiftyone.core.fields.ListField({_TEXT})",
    "metadata": "fiftyone.core.fields.EmbeddedDocumentField(fiftyone.core.metadata.Metadata)",
    _SHA256: _TEXT,
}
_CLASSIFICATION = "fiftyone.core.fields.EmbeddedDocumentField(fiftyone.core.labels.Classification)"


def sample(
    photo: Path, sha256: str, labels: dict[str, tuple[str, float]], suggested: dict[str, tuple[str, float]]
) -> Any:
    """One sample.

    Args:
        photo: the photo file.
        sha256: SHA-256 of its bytes.
        labels: by attribute its class, and the probability of it.
        suggested: the same of the class that the model suggests.
    """
    fields = {f"{_LABEL}{name}": found for name, found in labels.items()}
    fields |= {f"{_SUGGESTED}{name}": found for name, found in suggested.items()}
    classifications = {
        field: {"_cls": "Classification", "tags": [], "label": class_name, "confidence": confidence}
        for field, (class_name, confidence) in fields.items()
    }
    return {"filepath": str(photo), "tags": [], "metadata": None, _SHA256: sha256, **classifications}


def fiftyone_dataset(name: str, schema: Schema, samples: list[Any]) -> dict[str, Any]:
    """The content of the file.

    Args:
        name: name of the dataset.
        schema: attributes and classes.
        samples: see `sample`.
    """
    fields = [f"{prefix}{attribute.name}" for attribute in schema for prefix in (_LABEL, _SUGGESTED)]
    used = [field for field in fields if any(field in each for each in samples)]
    classes = {f"{prefix}{a.name}": list(a.classes) for a in schema for prefix in (_LABEL, _SUGGESTED)}
    return {
        "name": name,
        "media_type": "image",
        "sample_fields": _FIELDS | dict.fromkeys(used, _CLASSIFICATION),
        "info": {},
        "classes": {field: classes[field] for field in used},
        "samples": samples,
    }


def read_fiftyone(content: dict[str, Any], name: str) -> Iterator[Correction]:
    """Read an export of FiftyOne: ``write_json``'s file, or ``samples.json`` of a ``FiftyOneDataset``.

    Args:
        content: the content of the file.
        name: what errors call the file.

    Raises:
        InputError: if a sample is not one of FiftyOne's, naming it.
    """
    if not isinstance(content["samples"], list):
        raise InputError(f"{name}: not an export of FiftyOne.")
    for number, found in enumerate(content["samples"], start=1):
        if not isinstance(found, dict):
            raise InputError(f"{name}, sample {number}: not a sample of FiftyOne. Received: {quoted(found)}")
        place = f"{name}, sample {number} ({Path(str(found.get('filepath'))).name})"
        sha256 = check_hash(place, found.get(_SHA256))
        for field, value in found.items():
            if not field.startswith(_LABEL) or value is None:
                continue
            attribute = field.removeprefix(_LABEL)
            class_name = value.get("label") if isinstance(value, dict) else value
            if class_name is None:
                continue
            if not isinstance(class_name, str):
                raise InputError(f"{place}: '{attribute}' must be one class. Received: {quoted(class_name)}")
            yield Correction(place, sha256, attribute, class_name)
