"""What a model and its predictions were made from, noted beside them: a later change of any of it is noticed.

``checksums.json``, in a fold's folder or that of a final model, has the SHA-256 of the files that training wrote there,
and of what ``config.yaml``, ``schema.json``, ``dataset.json``, ``views.json`` and ``left_out.json`` said then, wherever
photos, segmenter and initial weights lie. It is written before the last of those files gets its name. A file that comes
later, such as ``robustness.npz``, is noted before it gets its name; that of a cross-validation's own folder notes
``issues.csv`` alone. Runs without ``work.json``, of the first versions, may have no checksums.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from keras_sister.config import BEFORE_IT_EXISTED, Experiment
from keras_sister.errors import InputError
from keras_sister.run import HEAD_WEIGHTS, TOWER_WEIGHTS, WEIGHTS, Run, changed
from keras_sister.storage.json_files import read_json, write_json
from keras_sister.storage.regular_files import check_regular

CHECKSUMS = "checksums.json"

_MADE_FROM = {
    "config.yaml": "other settings than those that {task} was trained with; it, views.json, weights.json",
    "schema.json": "other attributes than those that {task} was trained on; it",
    "dataset.json": "other photos, labels, groups or weights than those that {task} was trained on; it, views.json",
    "views.json": "other photos without a person than when {task} was trained; it",
    "left_out.json": "other photos that could not be read than when {task} was trained; it",
}
_NOTED_LATER = ("views.json", "left_out.json")
"""What earlier versions did not note."""

_FIRST_SETTINGS = (
    *("system", "backbone", "person_backbone", "weights", "size", "segmenter", "background", "edges", "keep_largest"),
    *("margin", "min_person_share", "trainable", "augment", "folds", "split", "epochs", "batch_size"),
    *("learning_rate", "precision", "seed", "on_error"),
)
"""Those that every run has had since there are checksums."""

_WRITTEN = ("history.json", WEIGHTS, HEAD_WEIGHTS, "cross_validation.json", "thresholds.json")

_TOWERS = f"../{TOWER_WEIGHTS}"
"""Part of what is trained in a fold's folder, though all folds share it."""


def note_checksums(
    run: Run,
    folder: Path,
    last: str,
    written: Path,
    *,
    contents: dict[str, str] | None = None,
    towers: str | None = None,
) -> None:
    """Write ``checksums.json``, before the last file of a training gets its name.

    Args:
        run: the run.
        folder: where the files are: a fold's folder or the run's own.
        last: name of the last file.
        written: where it is until then.
        contents: what `contents_of` returns, if it was called before.
        towers: what `digest_of_towers` returns, if it was called before.
    """
    files = {name: folder / name for name in _WRITTEN if (folder / name).exists()} | {last: written}
    digests = {name: _digest_of_file(file) for name, file in files.items()}
    if (folder / HEAD_WEIGHTS).exists():
        digests[_TOWERS] = towers or _digest_of_file(run.towers)
    write_json(folder / CHECKSUMS, (contents or contents_of(run)) | digests)


def digest_of_towers(run: Run) -> str | None:
    """The SHA-256 of the weights of the towers that all folds share; None if there are none."""
    return _digest_of_file(run.towers) if run.towers.exists() else None


def note_file(file: Path, written: Path) -> None:
    """Note a file before it gets its name.

    Args:
        file: the file, beside ``checksums.json``.
        written: where it is until then.
    """
    checksums = file.with_name(CHECKSUMS)
    write_json(checksums, _noted(checksums) | {file.name: _digest_of_file(written)})


def is_as_noted(file: Path) -> bool:
    """Whether a file is the one that `note_file` has noted last."""
    return _noted(file.with_name(CHECKSUMS)).get(file.name) == _digest_of_file(file)


def _noted(checksums: Path) -> dict[str, Any]:
    """What a ``checksums.json`` holds; nothing where it is missing."""
    noted = read_json(checksums) if checksums.exists() else {}
    if not isinstance(noted, dict):
        raise changed(checksums)
    return noted


def note_again(folder: Path, name: str) -> None:
    """Note one file as it is now, or that it is missing; nothing where no ``checksums.json`` was written yet."""
    if (folder / CHECKSUMS).exists():
        noted = {key: digest for key, digest in _noted(folder / CHECKSUMS).items() if key != name}
        found = {name: _digest_of_file(folder / name)} if (folder / name).exists() else {}
        write_json(folder / CHECKSUMS, noted | found)


def check_checksums(run: Run, folder: Path, *names: str, contents: dict[str, str] | None = None) -> None:
    """Check that a run says what it said when a model was trained, and that files are those that training wrote.

    Args:
        run: the run.
        folder: a fold's folder or the run's own.
        names: the files; one that training did not write must still be missing.
        contents: what `contents_of` returns, if it was called before.

    Raises:
        InputError: naming the file that was changed, damaged or removed.
    """
    if not (folder / CHECKSUMS).exists():
        if not (run.folder / "work.json").exists():
            return
        raise InputError(f"{folder / CHECKSUMS}: missing; it was removed. {_way_out(run, folder)}")
    noted = _noted(folder / CHECKSUMS)
    task = folder.name if folder != run.folder else "the model"
    for name, digest in (contents or contents_of(run)).items():
        if noted.get(name) != digest and (name in noted or name not in _NOTED_LATER):
            said = f"{_MADE_FROM[name].format(task=task)} or {folder / CHECKSUMS} was changed or removed. Restore it."
            raise InputError(f"{run.folder / name}: {said}")
    for name in (*names, _TOWERS) if HEAD_WEIGHTS in names else names:
        file = run.towers if name == _TOWERS else folder / name
        if noted.get(name) != (_digest_of_file(file) if file.exists() else None):
            raise InputError(
                f"{file}: not as training wrote it; it or {CHECKSUMS} was changed or damaged. {_way_out(run, folder)}"
            )


def _way_out(run: Run, folder: Path) -> str:
    if folder == run.folder:
        return "Restore it, or train again with another --out."
    return f"Restore it, or remove {folder} and run the command again with --resume."


def contents_of(run: Run) -> dict[str, str]:
    """A hash of what each of the run's own files says, wherever what it names lies."""
    settings = settings_by_content(run)
    said = _that_count(settings)
    said |= {} if settings.needs_masks else {"segmenter": None}
    return {
        "config.yaml": _digest_of(said),
        "schema.json": _digest_of(run.schema.to_json()),
        "dataset.json": _digest_of_dataset(run),
        "views.json": _digest_of(run.views.get("without_person")),
        "left_out.json": _digest_of(run.read("left_out.json") if (run.folder / "left_out.json").exists() else None),
    }


def _digest_of_dataset(run: Run) -> str:
    """`_digest_of` the photos' names, labels and contents, and what else is said of them.

    Each photo becomes its text while the file is read: as objects, millions would fill the memory.
    """

    columns = run.read_dataset(lambda photo: json.dumps([Path(photo["path"]).name, photo["labels"]]))
    digest = hashlib.sha256()
    for piece in _sorted_text(columns | {"keys": run.photo_keys}):
        digest.update(piece.encode())
    return digest.hexdigest()


def _sorted_text(columns: dict[str, Any]) -> Iterator[str]:
    """What `json.dumps` with sorted names makes of the columns, in pieces."""
    for number, name in enumerate(sorted(columns)):
        yield f"{', ' if number else '{'}{json.dumps(name)}: "
        if name == "photos":
            yield "["
            yield from (f", {photo}" if row else photo for row, photo in enumerate(columns[name]))
            yield "]"
        else:
            yield json.dumps(columns[name], sort_keys=True)
    yield "}"


def _that_count(experiment: Experiment) -> dict[str, Any]:
    """The settings without those that came later and change nothing: a run keeps its hash when there are more."""
    first = {name: getattr(experiment, name) for name in _FIRST_SETTINGS}
    without = Experiment(**{**BEFORE_IT_EXISTED, **first}).contents()
    return {
        name: value
        for name, value in experiment.contents().items()
        if name in _FIRST_SETTINGS or value != without[name]
    }


def settings_by_content(run: Run) -> Experiment:
    """The settings, with the segmenter's fingerprint and the hashes of initial weights in place of paths.

    A system without masks has the default segmenter, whatever it was given.
    """
    experiment, fingerprint = run.experiment, run.views["fingerprint"]
    if not experiment.needs_masks:
        experiment = replace(experiment, segmenter=Experiment.segmenter)
    elif isinstance(fingerprint, str):
        experiment = replace(experiment, segmenter=fingerprint)
    hashes = run.weight_hashes
    if hashes:
        experiment = replace(experiment, weights=hashes if isinstance(experiment.weights, dict) else hashes["weights"])
    return experiment


def _digest_of(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _digest_of_file(file: Path) -> str:
    check_regular(file)
    try:
        with file.open("rb") as contents:
            return hashlib.file_digest(contents, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{file}: not readable: {error.strerror}.") from error
