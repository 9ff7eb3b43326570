"""Write the flagged labels of a run for a tool in which people correct them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_sister.errors import InputError, check_choice
from keras_sister.evaluation.label_issues import LabelIssue
from keras_sister.review.choices import FORMATS
from keras_sister.review.fiftyone import fiftyone_dataset, sample
from keras_sister.review.label_studio import choice, labelling_config, task_data
from keras_sister.run import Run
from keras_sister.storage.json_files import to_json, write_json
from keras_sister.storage.pair import check_new, write_pair


def export_issues(run: Run, flagged: Sequence[LabelIssue], out: Path, *, format: str) -> Path | None:
    """Write flagged labels, one task for each photo, the most suspicious first.

    Args:
        run: a finished cross-validation.
        flagged: the flagged labels, the most suspicious first.
        out: the JSON file to write. With ``label-studio`` the labelling configuration is written beside it, with the
            suffix ``.xml``.
        format: one of `FORMATS`.

    Returns:
        With ``label-studio`` the folder that it must serve for the photos to be seen, its
        ``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT``; it holds the folder of the photos. With ``fiftyone`` None.

    Raises:
        InputError: if no label is flagged, or a file exists already.
        OSError: if a file cannot be written.
    """
    check_choice("format", format, FORMATS)
    if not flagged:
        raise InputError(f"{run.folder}: no label is flagged; there is nothing to review.")
    check_new(out)
    by_photo = _by_photo(flagged)
    if format == "fiftyone":
        samples = _samples(run, by_photo)
        write_json(out, fiftyone_dataset(f"{run.folder.resolve().name} suspicious labels", run.schema, samples))
        return None
    root = Path(os.path.commonpath([photo.parent for photo in run.photos])).parent
    tasks = to_json(_tasks(run, by_photo, root)) + "\n"
    write_pair(out, tasks, beside=out.with_suffix(".xml"), beside_text=labelling_config(run.schema))
    return root


def _by_photo(flagged: Sequence[LabelIssue]) -> dict[int, list[LabelIssue]]:
    """The flagged labels by row of their photo."""
    found: dict[int, list[LabelIssue]] = {}
    for issue in flagged:
        found.setdefault(issue.row, []).append(issue)
    return found


def _tasks(run: Run, flagged: dict[int, list[LabelIssue]], root: Path) -> list[dict[str, Any]]:
    photos, keys, tasks = run.photos, run.photo_keys, []
    for row, issues in flagged.items():
        texts = [f"{i.attribute}: labelled {i.label}, suggested {i.suggested}" for i in issues]
        data = task_data(photos[row], root=root, name=issues[0].photo, sha256=keys[row], text="; ".join(texts))
        prediction = {
            "model_version": run.folder.resolve().name,
            "score": round(1 - issues[0].score, 6),
            "result": [choice(issue.attribute, issue.suggested) for issue in issues],
        }
        tasks.append({"data": data, "predictions": [prediction]})
    return tasks


def _samples(run: Run, flagged: dict[int, list[LabelIssue]]) -> list[Any]:
    photos, keys = run.photos, run.photo_keys
    return [
        sample(
            photos[row],
            keys[row],
            {i.attribute: (i.label, i.score) for i in issues},
            {i.attribute: (i.suggested, i.suggested_score) for i in issues},
        )
        for row, issues in flagged.items()
    ]
