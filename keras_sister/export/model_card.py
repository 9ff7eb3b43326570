"""The model card inside an export: what it predicts, its scores, and its verification."""

from collections.abc import Mapping
from typing import Any

from keras_sister.backbones import weight_file
from keras_sister.config import Experiment
from keras_sister.errors import InputError
from keras_sister.evaluation.decisions import THRESHOLDS, DecisionRule, parse_rules
from keras_sister.models import networks_of
from keras_sister.schema import Schema
from keras_sister.segmentation.segmenters.selfie import SELFIE
from keras_sister.storage.json_files import parse_json
from keras_sister.storage.yaml_files import parse_yaml


def model_card(schema: Schema, about: Mapping[str, Any], documents: Mapping[str, str]) -> str:
    """Write a model card in Markdown.

    Args:
        schema: attributes and classes.
        about: the content of ``export.json``.
        documents: texts kept with the export, by file name; ``cross_validation.json`` has the scores, and
            ``thresholds.json`` the thresholds.

    Returns:
        Markdown text.

    Raises:
        InputError: if one of these two has another structure.
    """
    sections = [
        _description(schema, about),
        _scores(documents.get("cross_validation.json")),
        _decisions(schema, documents.get(THRESHOLDS)),
        _verification(about, decides=THRESHOLDS in documents),
        _limitations(about),
        _licences(about, documents.get("config.yaml")),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def check_documents(schema: Schema, documents: Mapping[str, str]) -> None:
    """Read of the documents what `model_card` will, so that a mistake in them shows before an export is made.

    Args, Raises: see `model_card`.
    """
    _scores(documents.get("cross_validation.json"))
    _decisions(schema, documents.get(THRESHOLDS))
    _licences({"segmenter": None}, documents.get("config.yaml"))


def _description(schema: Schema, about: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    segmenter = about["segmenter"]
    person = (
        f"Inputs of the network: {' and '.join(about['views'])}. Person segmentation: `{segmenter.split(':')[0]}`."
        if segmenter
        else "The network takes the whole photo; there is no person segmentation."
    )
    rows = [f"| {a.name} | {', '.join(a.classes)} |" for a in schema]
    return "\n".join(
        [
            "# Model card",
            f"Tags a photo of a person with {len(schema)} attributes. Input size {about['size']} × {about['size']}"
            f" pixels, compute precision {about['precision']}. {person}",
            f"Made with {versions}.",
            "",
            "| attribute | classes |",
            "|---|---|",
            *rows,
        ]
    )


def _scores(cross_validation: str | None) -> str:
    if cross_validation is None:
        return "## Scores\nNot evaluated: the model was not trained with `--like`, the settings of a cross-validation."
    try:
        return _table(parse_json(cross_validation, "cross_validation.json"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "cross_validation.json: not the scores of a cross-validation; remove it to export without scores."
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
            f"From the cross-validation with the same settings ({len(found['folds'])} folds, held-out photos): mean"
            f" accuracy {_percent(scores['mean'])} ± {_percent(scores['std'])} % over folds; the majority class"
            f" reaches {_percent(majority['mean'])} %.",
            "",
            "| attribute | accuracy, % | majority, % | photos |",
            "|---|---:|---:|---:|",
            *rows,
        ]
    )


def _decisions(schema: Schema, text: str | None) -> str:
    if text is None:
        return "## Decisions\nNo thresholds: there are no outputs `decisions` and `confidence`."
    content = parse_json(text, THRESHOLDS)
    rules = parse_rules(schema, content, THRESHOLDS)
    try:
        rows = [_decision_row(name, rule, content["attributes"][name].get("unseen")) for name, rule in rules.items()]
        precision = content["precision"]
        goal = f"a precision of {_percent(precision)} %" if precision is not None else content["goal"]
    except (LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{THRESHOLDS}: not the thresholds of a run; remove it to export without them.") from error
    return "\n".join(
        [
            "## Decisions",
            f"`decisions` (−1 = not sure) and `confidence` (calibrated) follow from thresholds, fitted for {goal} on"
            " out-of-fold predictions. The outputs named like attributes are not calibrated. Error is the expected"
            " calibration error before and after calibration. Error, share of photos decided and share of correct"
            " decisions are from folds that the fit has not seen. A class is decided for from its lowest confidence.",
            "",
            "| attribute | temperature | positive from | lowest confidence | error, % | decided, % | correct, % |",
            "|---|---:|---:|---|---:|---:|---:|",
            *rows,
        ]
    )


def _decision_row(name: str, rule: DecisionRule, unseen: dict[str, Any] | None) -> str:
    lowest = ", ".join(f"{c}: {'never' if value is None else f'{value:.3f}'}" for c, value in rule.minimum.items())
    threshold = "–" if rule.threshold is None else f"{rule.threshold:.3f}"
    measured = ["–"] * 3
    if unseen is not None:
        before, after, *shares = (
            _percent(unseen[key]) for key in ("error_before", "error_after", "coverage", "accuracy")
        )
        measured = [f"{before} → {after}", *shares]
    return f"| {' | '.join([name, f'{rule.temperature:.3f}', threshold, lowest, *measured])} |"


def _verification(about: Mapping[str, Any], *, decides: bool) -> str:
    record = about["verification"]
    text = (
        "## Verification\nLoaded in a process without Keras; every attribute by every signature"
        + (", the person share and the mask" if about["segmenter"] else "")
        + (", decisions and confidence" if decides else "")
        + f" compared with the Keras model on {record['photos']} photos. Largest difference of a probability:"
        f" {record['largest_difference']:.1e} ({record['tolerance']:g} is allowed)."
    )
    for name, found in about["formats"].items():
        text += f" In {name}: {found['largest_difference']:.1e}."
    agreement = record.get("agreement")
    if agreement is None:
        return text
    rows = [f"| {name} | {_percent(share)} |" for name, share in agreement.items()]
    return "\n".join(
        [
            text,
            "",
            f"Photos with the same class in bfloat16 and float32, of {record['photos']}:",
            "",
            "| attribute | same class, % |",
            "|---|---:|",
            *rows,
        ]
    )


def _limitations(about: Mapping[str, Any]) -> str:
    return (
        "## Limitations\nPhotos are resized to a square. All are taken to be sRGB: an ICC profile is ignored. A damaged"
        " photo gets zeros and `decoded` false."
        + (" Without a person the photo is used unchanged, and `person_share` is 0." if about["segmenter"] else "")
    )


def _licences(about: Mapping[str, Any], config: str | None) -> str:
    """Of the published weights inside the export."""
    files = [SELFIE] if SELFIE.sha256 in (about["segmenter"] or "") else []
    if config is not None:
        try:
            experiment = Experiment(**parse_yaml(config, "config.yaml"))
        except (InputError, TypeError) as error:
            raise InputError(
                "config.yaml: not the settings of an experiment; remove it to export without it."
            ) from error
        networks = networks_of(experiment.system, experiment.backbone, experiment.person_backbone)
        files += [file for name in networks.values() if (file := weight_file(name, experiment.weights))]
    lines = dict.fromkeys(f"- {file.licence}" for file in files)
    return "\n".join(["## Licences of the pretrained weights", *lines]) if lines else ""


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}"
