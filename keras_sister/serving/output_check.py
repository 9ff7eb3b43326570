"""Check what a graph or a server returned against the schema, before it becomes tags."""

from collections.abc import Mapping

import numpy as np

from keras_sister.errors import InputError
from keras_sister.schema import Schema
from keras_sister.serving.predictions import CONFIDENCE, DECISIONS, DECODED, PERSON_SHARE, SCHEMA_HASH


def check_outputs(outputs: Mapping[str, np.ndarray], schema: Schema, photos: int, *, who: str, why: str) -> None:
    """Check names, shapes, dtypes and values of the outputs of the signature ``serving_default``.

    Args:
        outputs: arrays by name; the schema's hash is checked where it is among them, decisions and confidence too.
        schema: attributes and classes that the outputs must have.
        photos: size of the batch.
        who: what returned them, such as ``The response``.
        why: the likely reason, to end the message with.

    Raises:
        InputError: naming the output and what is wrong with it.
    """
    shapes = expected_shapes(schema, photos)
    decides = {DECISIONS, CONFIDENCE} & outputs.keys()
    if decides:
        shapes |= dict.fromkeys((DECISIONS, CONFIDENCE), (photos, len(schema)))
    missing = {DECODED, *shapes} - outputs.keys()
    if missing:
        raise InputError(f"{who} has no output {', '.join(sorted(missing))}: {why}.")
    for name in (PERSON_SHARE, SCHEMA_HASH):
        if name in outputs:
            shapes[name] = (photos,)
    kinds = {DECODED: "b", SCHEMA_HASH: "OSU", DECISIONS: "i"}
    for name, shape in {**shapes, DECODED: (photos,)}.items():
        found = outputs[name]
        if found.shape != shape or found.dtype.kind not in kinds.get(name, "f"):
            raise InputError(
                f"{who} has {name} as {found.dtype} {found.shape}; expected {shape} for this schema: {why}."
            )
        if name in kinds:
            continue
        if not np.isfinite(found).all():
            raise InputError(f"{who} has values of {name} that are not finite.")
        if found.size and not (found.min() >= 0 and found.max() <= 1):
            raise InputError(
                f"{who} has values of {name} from {found.min():g} to {found.max():g}; expected probabilities."
            )
    classes = [len(attribute.classes) for attribute in schema]
    if decides and ((outputs[DECISIONS] < -1) | (outputs[DECISIONS] >= classes)).any():
        raise InputError(f"{who} has {DECISIONS} that are neither -1 nor the index of a class: {why}.")
    if SCHEMA_HASH in outputs and {_text(value) for value in outputs[SCHEMA_HASH]} - {schema.hash}:
        raise InputError(f"{who} has the hash of another schema: {why}.")


def expected_shapes(schema: Schema, photos: int | None) -> dict[str, tuple[int | None, ...]]:
    """The shape of each attribute's output for a batch; None for a batch of any size."""
    return {a.name: (photos,) if a.is_binary else (photos, len(a.classes)) for a in schema}


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
