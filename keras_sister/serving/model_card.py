"""The page that travels inside an export: what it is, how good, and what proves that it is that."""

import json
from collections.abc import Mapping
from typing import Any

from keras_sister.errors import InputError
from keras_sister.schema import Schema


def model_card(schema: Schema, about: Mapping[str, Any], documents: Mapping[str, str]) -> str:
    """Write a model card in Markdown.

    Args:
        schema: what is predicted.
        about: the content of ``export.json``.
        documents: texts that travel with the export, by file name; ``cross_validation.json`` gives the scores.

    Returns:
        The text.

    Raises:
        InputError: if there are scores that are none.
    """
    sections = [_what(schema, about), _scores(documents.get("cross_validation.json")), _proof(about), _limits(about)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _what(schema: Schema, about: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    segmenter = about["segmenter"]
    person = (
        f"It looks at {' and '.join(about['views'])}; the person is found by `{segmenter.split(':')[0]}`, inside."
        if segmenter
        else "It looks at whole photos; nothing finds the person."
    )
    rows = [f"| {a.name} | {', '.join(a.classes)} |" for a in schema]
    return "\n".join(
        [
            "# Model card",
            f"Tags a photo of a person with {len(schema)} attributes, at {about['size']} × {about['size']} pixels, in"
            f" {about['precision']}. {person}",
            f"Made by {versions}.",
            "",
            "| attribute | classes |",
            "|---|---|",
            *rows,
        ]
    )


def _scores(cross_validation: str | None) -> str:
    if cross_validation is None:
        return "## Scores\nNobody has said how good this model is: it was not trained with `--like` a cross-validation."
    try:
        return _table(json.loads(cross_validation))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "cross_validation.json: not the scores of a cross-validation; remove it, and the export goes without."
        ) from error


def _table(found: dict[str, Any]) -> str:
    scores, majority = found["macc"], found["majority"]
    rows = [
        f"| {name} | {_percent(score['accuracy'])} | {_percent(score['majority'])} | {score['known']} |"
        for name, score in found["attributes"].items()
    ]
    return "\n".join(
        [
            "## Scores",
            f"Of the cross-validation whose settings it was trained with ({len(found['folds'])} folds, photos that the"
            f" models had not seen): mean accuracy {_percent(scores['mean'])} ± {_percent(scores['std'])} % over folds;"
            f" always answering the majority class reaches {_percent(majority['mean'])} %.",
            "",
            "| attribute | accuracy, % | majority, % | photos |",
            "|---|---:|---:|---:|",
            *rows,
        ]
    )


def _proof(about: Mapping[str, Any]) -> str:
    proof = about["proof"]
    text = (
        "## Proof\nLoaded in a process without Keras and compared, every attribute by every signature that names it,"
        + (" the share of person and the mask too," if about["segmenter"] else "")
        + f" with the Keras model on {proof['photos']} photos: the largest difference of a probability is"
        f" {proof['largest_difference']:.1e} ({proof['tolerance']:g} is allowed)."
    )
    for name, found in about["formats"].items():
        text += f" In {name}: {found['largest_difference']:.1e}."
    agreement = proof.get("agreement")
    if agreement is None:
        return text
    rows = [f"| {name} | {_percent(share)} |" for name, share in agreement.items()]
    return "\n".join(
        [
            text,
            "",
            f"In bfloat16 it answers with the class that float32 answers with, on {proof['photos']} photos:",
            "",
            "| attribute | same class, % |",
            "|---|---:|",
            *rows,
        ]
    )


def _limits(about: Mapping[str, Any]) -> str:
    return (
        "## Limits\nPhotos are squeezed to a square; an EXIF orientation is ignored, so turn photos upright first. A"
        " photo that is broken gets zeros and `decoded` false."
        + (" Where nobody is found the photo stays whole, and `person_share` is 0." if about["segmenter"] else "")
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}"
