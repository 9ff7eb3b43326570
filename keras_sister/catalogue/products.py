"""Tag the photos of a product as one: a row for each product, from the mean of its photos' logits."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_sister.catalogue.listed_photo import ListedPhoto
from keras_sister.catalogue.rows import PHOTOS, table_row
from keras_sister.catalogue.table_formats import Row
from keras_sister.data.names import one_spelling
from keras_sister.errors import InputError, counted, shortened
from keras_sister.schema import Schema
from keras_sister.serving.predictions import Prediction

_SMALLEST = {True: 1e-7, False: 1e-37}
"""The smallest probability whose logit is taken, of a binary attribute or not: float32 cannot tell 1 from 1 − 1e-8."""


@dataclass(frozen=True)
class ListedProduct:
    """A product of a catalogue, as the input lists its photos: it becomes one row of the table.

    Attributes:
        text: what the input says in the column of products, for its first photo; blank for one without a product.
        photos: its photos, each once.
        kept: the input's values of the columns to carry through.
    """

    text: str
    photos: tuple[ListedPhoto, ...]
    kept: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """Everything that the row depends on, except the contents of the files."""
        return "\0".join((self.text, *self.kept, *(photo.identity for photo in self.photos)))


def group_photos(photos: Iterable[ListedPhoto], column: str, keep: Sequence[str] = ()) -> list[ListedProduct]:
    """Group photos by product.

    Args:
        photos: all photos, with the value of `column` as the first of their kept ones, then those of `keep`.
        column: heading of the column of products, for messages.
        keep: headings of the columns to carry through.

    Returns:
        The products in the order of their first photos. A photo without a product is one of its own.

    Raises:
        InputError: if a kept column differs within a product, naming both values.
    """
    found: dict[object, list[ListedPhoto]] = {}
    for number, photo in enumerate(photos):
        found.setdefault(one_spelling(photo.kept[0]) or number, []).append(photo)
    return [_product(group, column, keep) for group in found.values()]


def _product(photos: list[ListedPhoto], column: str, keep: Sequence[str]) -> ListedProduct:
    first, *others = photos
    for photo in others:
        for name, one, other in zip(keep, first.kept[1:], photo.kept[1:], strict=True):
            if one_spelling(one) != one_spelling(other):
                raise InputError(
                    f"--keep {name}: {column} '{shortened(first.kept[0])}' has '{shortened(one)}' and"
                    f" '{shortened(other)}'; keep columns that are the same for all photos of a {column}."
                )
    once: dict[str, ListedPhoto] = {}
    for photo in photos:
        once.setdefault(photo.path or photo.text, photo)
    return ListedProduct(first.kept[0], tuple(once.values()), first.kept[1:])


def without_product(products: Sequence[ListedProduct], column: str) -> str | None:
    """A note on photos without a product."""
    alone = sum(not one_spelling(product.text) for product in products)
    return f"{counted(alone, 'photo')} without {column}; each has a row of its own." if alone else None


def product_row(predictions: Sequence[Prediction], schema: Schema, threshold: float | None) -> Row:
    """The row of a product, see `keras_sister.catalogue.rows.table_row`; its ``error`` is a list of the reasons.

    Raises:
        InputError: without a `threshold`, if the export decides by its own thresholds, which are fitted to photos.
    """
    if threshold is None and any(p.decisions is not None for p in predictions):
        raise InputError("--group-by: the thresholds of this export are for photos, not products; give --threshold.")
    merged, read = merge_predictions(predictions, schema), [p for p in predictions if p.error is None]
    row = table_row(merged, schema, threshold)
    return {**row, PHOTOS: len(read), "error": [p.error for p in predictions if p.error is not None]}


def merge_predictions(predictions: Sequence[Prediction], schema: Schema) -> Prediction:
    """One prediction for several photos: probabilities from the mean of their logits.

    Args:
        predictions: one for each photo; those with an error do not count.
        schema: attributes and classes.

    Returns:
        The prediction, with the mean of the photos' shares of person pixels, and the hash of their hashes. It has an
        error if no photo could be read, and no hash if one could not.
    """
    read = [p for p in predictions if p.error is None]
    sha256 = joint_hash([None if p.error else p.sha256 for p in predictions])
    if not read:
        return Prediction(error=predictions[0].error)
    if len(read) == 1:
        return Prediction(read[0].probabilities, read[0].person_share, sha256=sha256)
    logits = []
    for attribute in schema:
        each = np.stack([p.probabilities[attribute.name] for p in read]).astype(np.float64)
        smallest = _SMALLEST[attribute.is_binary]
        each = np.clip(each, smallest, 1 - smallest if attribute.is_binary else 1)
        each = np.log(each) - np.log1p(-each) if attribute.is_binary else np.log(each)
        logits.append(np.atleast_1d(each.mean(axis=0)))
    probabilities = {name: of[0] for name, of in schema.probabilities(np.concatenate(logits)[None]).items()}
    shares = [p.person_share for p in read if p.person_share is not None]
    return Prediction(probabilities, float(np.mean(shares)) if shares else None, sha256=sha256)


def joint_hash(hashes: Sequence[str | None]) -> str | None:
    """One hash for the files of a row; None if one of them could not be read."""
    if any(sha256 is None for sha256 in hashes) or len(hashes) == 1:
        return hashes[0] if len(hashes) == 1 else None
    return hashlib.sha256("".join(filter(None, hashes)).encode()).hexdigest()


def error_text(reasons: Sequence[str], photos: int) -> str | None:
    """The error of a product, such as ``1 of 3 photos: empty``; None if all photos could be read."""
    return f"{len(reasons)} of {counted(photos, 'photo')}: {'; '.join(sorted(set(reasons)))}" if reasons else None


def photo_paths(item: ListedPhoto | ListedProduct) -> list[Path]:
    """The files of a row that may be there."""
    return [Path(photo.path) for photo in item.photos if not photo.error]
