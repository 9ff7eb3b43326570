"""Compare two exports by the tags that they give to the same photos."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from keras_sister.catalogue.listed_photo import ListedPhoto
from keras_sister.catalogue.tag_listed import tag_listed
from keras_sister.errors import InputError
from keras_sister.schema import Attribute
from keras_sister.serving.predictions import Tag, Tags
from keras_sister.serving.tagger import Tagger


@dataclass(frozen=True)
class AttributeChange:
    """How one attribute differs between two exports.

    Attributes:
        changed: number of photos whose class differs.
        photos: number of photos that both exports tagged.
        largest_difference: largest absolute difference of the probability of the first export's class, in [0, 1], over
            the photos whose class is the same; None if there are none.
        changes: number of photos by ``class → class``, the most frequent first; what an export with thresholds leaves
            undecided is the class ``not sure``.
    """

    changed: int
    photos: int
    largest_difference: float | None
    changes: dict[str, int]


@dataclass(frozen=True)
class ExportComparison:
    """Two exports compared.

    Attributes:
        photos: number of photos that both tagged.
        errors: number of photos that at least one could not read.
        only_one_read: names of the photos that one export could read and the other not.
        changed_photos: number of photos with at least one changed tag.
        attributes: by the name of each attribute that both have.
        only_first, only_second: attributes that only one has.
    """

    photos: int
    errors: int
    only_one_read: list[str]
    changed_photos: int
    attributes: dict[str, AttributeChange]
    only_first: list[str]
    only_second: list[str]

    def to_dict(self) -> dict[str, Any]:
        """The same as dicts, lists and numbers."""
        return asdict(self)


def compare_exports(
    first: Tagger,
    second: Tagger,
    photos: Sequence[ListedPhoto],
    *,
    batch_size: int = 8,
    on_photo: Callable[[], None] = lambda: None,
) -> ExportComparison:
    """Tag photos with two exports and count the tags that differ.

    Args:
        first, second: loaded exports; attributes are matched by name and classes by name.
        photos: see `keras_sister.catalogue.sources.list_photos`.
        batch_size: photos to decode and tag at once.
        on_photo: called after each photo.

    Raises:
        InputError: if the exports have no attribute in common, or no photo can be read by both.

    Example:
        >>> compare_exports(Tagger("saved_models/a/1"), Tagger("saved_models/a/2"), photos).changed_photos
        12
    """
    common = [attribute for attribute in first.schema if attribute.name in second.schema.names]
    if not common:
        raise InputError("The exports have no attribute in common.")
    pairs, errors, only_one = [], 0, []
    found = (tag_listed(tagger, photos, batch_size=batch_size) for tagger in (first, second))
    for ours, theirs in zip(*found, strict=True):
        if ours.error or theirs.error:
            errors += 1
            if not (ours.error and theirs.error):
                only_one.append(ours.to_dict()["photo"])
        else:
            pairs.append((ours, theirs))
        on_photo()
    if not pairs:
        raise InputError(f"None of {len(photos)} photos could be read by both exports.")
    attributes = {attribute.name: _change(attribute, pairs) for attribute in common}
    changed = sum(any(_differ(pair, attribute.name) for attribute in common) for pair in pairs)
    names = {attribute.name for attribute in common}
    only = [[name for name in tagger.schema.names if name not in names] for tagger in (first, second)]
    return ExportComparison(len(pairs), errors, only_one, changed, attributes, *only)


def _differ(pair: tuple[Tags, Tags], name: str) -> bool:
    return _shown(pair[0].attributes[name]) != _shown(pair[1].attributes[name])


def _shown(tag: Tag) -> str:
    return tag.value if tag.sure else "not sure"


def _change(attribute: Attribute, pairs: list[tuple[Tags, Tags]]) -> AttributeChange:
    name = attribute.name
    changes: dict[str, int] = {}
    differences = []
    for pair in pairs:
        ours, theirs = (tags.attributes[name] for tags in pair)
        if _differ(pair, name):
            text = f"{_shown(ours)} → {_shown(theirs)}"
            changes[text] = changes.get(text, 0) + 1
        else:
            differences.append(abs(ours.probability - theirs.probability))
    ordered = dict(sorted(changes.items(), key=lambda item: -item[1]))
    largest = round(float(np.max(differences)), 6) if differences else None
    return AttributeChange(sum(changes.values()), len(pairs), largest, ordered)
