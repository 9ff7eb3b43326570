import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_sister.data.dataset import Dataset
from keras_sister.errors import InputError
from keras_sister.evaluation.checksums import contents_of
from keras_sister.evaluation.out_of_fold import read_out_of_fold
from keras_sister.evaluation.summary import read_summary, summarize
from keras_sister.run import Run
from keras_sister.storage.json_files import read_json
from keras_sister.training.final import final_settings
from keras_sister.training.start import start_run
from keras_sister.training.work_record import installed_versions, read_work, record_work

from .run_folder import EXPERIMENT, SCHEMA, note_all_checksums, write_run

LABELS = np.stack([np.random.default_rng(1).integers(-1, len(a.classes), 12) for a in SCHEMA], axis=1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("runs") / "whole", LABELS)


@pytest.fixture
def run(whole: Run, tmp_path: Path) -> Run:
    return Run(shutil.copytree(whole.folder, tmp_path / "run"))


def read_all(run: Run) -> dict[str, Any]:
    """Everything that `evaluate`, `compare`, `train --like` and ``cv --resume`` read of a finished run."""
    read = read_out_of_fold(run.folder)
    folds = [rows.tolist() for rows in read.folds]
    return {
        "summary": read_summary(run),
        "settings": final_settings(run),
        "logits": read.logits.tobytes(),
        "read": (read.experiment, read.schema, read.photos, read.labels.tobytes(), folds),
    }


def edit_json(file: Path, edit: Callable[[Any], Any]) -> None:
    content = json.loads(file.read_text())
    result = edit(content)
    file.write_text(json.dumps(content if result is None else result))


def edit_npz(file: Path, **arrays: np.ndarray) -> None:
    with np.load(file) as saved:
        content = dict(saved)
    np.savez(file, **{**content, **arrays})


EDITS = [
    ("folds.json", lambda folds: folds[0].append(folds[1][0]), "each of the 12 photos in dataset.json once"),
    ("folds.json", lambda folds: folds[0].__delitem__(0), "each of the 12 photos in dataset.json once"),
    ("folds.json", lambda folds: folds.reverse(), "not those of this fold"),
    ("folds.json", lambda folds: folds[0].__setitem__(0, 0.0), "changed or damaged"),
    ("folds.json", lambda folds: {"folds": folds}, "changed or damaged"),
    ("folds.json", lambda folds: [[*folds[0], *folds[1]], folds[2]], "2 folds, but config.yaml has 3"),
    ("dataset.json", lambda content: content["photos"][3]["labels"].__setitem__(1, 3), "000004.jpg.*'sleeves' is 3"),
    ("dataset.json", lambda content: content["photos"][3]["labels"].__delitem__(0), "Expected labels of shape"),
    ("dataset.json", lambda content: content["photos"][3]["labels"].__setitem__(1, None), "class indices"),
    ("dataset.json", lambda content: content["photos"][3].__setitem__("path", 7), "changed or damaged"),
    ("dataset.json", lambda content: content["photos"].__setitem__(3, "p"), "changed or damaged"),
    ("dataset.json", lambda content: content["photos"][3].__delitem__("path"), "changed or damaged"),
    ("dataset.json", lambda content: content["photos"], "changed or damaged"),
    ("dataset.json", lambda content: content["photos"].__delitem__(0), "each of the 11 photos in dataset.json once"),
    ("views.json", lambda content: content["keys"].__delitem__(0), "11 photos, but dataset.json has 12"),
    ("views.json", lambda content: content["keys"].__setitem__(0, "?"), "changed or damaged"),
    ("views.json", lambda content: ["keys"], "changed or damaged"),
    ("schema.json", lambda content: content["attributes"].reverse(), "expected a class index"),
    ("summary.json", lambda content: content["macc"].__setitem__("mean", 0.9), "does not follow"),
    ("fold-01/history.json", lambda content: content.__setitem__("best_epoch", 0), "epoch 2 is the best"),
    ("fold-01/history.json", lambda content: content["epochs"].clear(), "changed or damaged"),
]


def forget_checksums(run: Run) -> None:
    """As an earlier version of keras-sister left the run."""
    for file in run.folder.rglob("checksums.json"):
        file.unlink()


def test_files_as_large_as_those_of_large_datasets_are_read(run: Run) -> None:
    file = run.folder / "dataset.json"
    file.write_text(file.read_text() + " " * 150_000_000)  # 40,000 photos with 460 attributes
    assert len(run.photos) == 12
    np.testing.assert_array_equal(run.labels, LABELS)


@pytest.mark.parametrize(("name", "edit", "message"), EDITS)
def test_a_changed_file_is_named(run, name, edit, message):
    forget_checksums(run)
    edit_json(run.folder / name, edit)
    with pytest.raises(InputError, match=message) as refused:
        read_all(run)
    # Where two files contradict each other, either may be named.
    assert "\n" not in str(refused.value)
    assert str(run.folder) in str(refused.value)


CHANGES = [
    ("schema.json", lambda content: content["attributes"][1]["classes"].reverse(), "other attributes than those"),
    ("schema.json", lambda content: content["attributes"][0].__setitem__("name", "hat"), "other attributes than those"),
    ("dataset.json", lambda content: content.__setitem__("groups", ["a", "b"] * 6), "groups or weights than those"),
    ("dataset.json", lambda content: content.__setitem__("weights", [2.0] * 12), "groups or weights than those"),
    ("views.json", lambda content: content["keys"].reverse(), "other photos"),
    ("views.json", lambda content: content.__setitem__("without_person", ["000001.jpg"]), "without a person than when"),
    ("fold-01/history.json", lambda content: content["epochs"][0].__setitem__("loss", 2.0), "not as training wrote it"),
    ("fold-01/history.json", lambda content: content.__setitem__("best_epoch", 0), "epoch 2 is|not as training wrote"),
    ("fold-02/checksums.json", lambda content: content.__setitem__("config.yaml", ""), "config.yaml: other settings"),
    ("fold-02/checksums.json", lambda content: [1], "changed or damaged"),
]
"""Changes that leave every file valid and every two files in agreement: only checksums tell."""


@pytest.mark.parametrize(("name", "edit", "message"), CHANGES)
def test_a_change_that_contradicts_nothing_is_named(run, name, edit, message):
    edit_json(run.folder / name, edit)
    (run.folder / "summary.json").unlink()
    with pytest.raises(InputError, match=message) as refused:
        summarize(run)
    assert "\n" not in str(refused.value)


def test_a_list_of_left_out_photos_that_came_or_went_is_named(run):
    run.write("left_out.json", [{"row": 12, "path": "x.jpg", "labels": [0, 0], "reason": "x.jpg: truncated."}])
    with pytest.raises(InputError, match=r"left_out\.json: other photos that could not be read than when fold-00"):
        read_summary(run)
    note_all_checksums(run)
    read_summary(run)
    (run.folder / "left_out.json").unlink()
    with pytest.raises(InputError, match=r"left_out\.json: other photos .*; it or .*checksums"):
        read_summary(run)


def test_the_checksum_of_a_dataset_is_that_of_its_json_however_it_is_read(run):
    """As the runs of earlier versions noted it, whatever they know of their photos."""
    for more in ({}, {"groups": ["é", "b"] * 6, "weights": [1, 0.1] * 6, "split": ["train", "test"] * 6}):
        edit_json(run.folder / "dataset.json", lambda content, more=more: content.update(more))
        content = json.loads((run.folder / "dataset.json").read_text())
        content["photos"] = [[Path(photo["path"]).name, photo["labels"]] for photo in content["photos"]]
        text = json.dumps(content | {"keys": run.photo_keys}, sort_keys=True)
        assert contents_of(run)["dataset.json"] == hashlib.sha256(text.encode()).hexdigest()


def test_checksums_that_were_removed_are_missed(run):
    """Runs of the first versions have none, and no ``work.json`` either."""
    kept = (run.fold(1).folder / "checksums.json").read_bytes()
    forget_checksums(run)
    read_all(run)
    record_work(run, "heads", 1.5, installed_versions())
    with pytest.raises(InputError, match=r"fold-00.checksums\.json: missing; it was removed\. Restore it, or remove"):
        read_out_of_fold(run.folder)
    with pytest.raises(InputError, match=r"fold-00.checksums\.json: missing"):
        final_settings(run)
    (run.fold(0).folder / "checksums.json").write_bytes(kept)  # that of another fold
    with pytest.raises(InputError, match=r"fold-00.*: not as training wrote it; it or checksums\.json"):
        read_out_of_fold(run.folder)


@pytest.mark.parametrize(
    "edit",
    [
        lambda work: work[0].__setitem__("seconds", 1.2),
        lambda work: work[1].__setitem__("task", "fold-02"),
        lambda work: work[2]["versions"].__setitem__("keras", "1.0"),
        lambda work: work.reverse(),
        lambda work: work.__delitem__(1),
        lambda work: work[1]["versions"].__setitem__("keras", [[1]]),
        lambda work: work[0].__setitem__("seconds", -3),
    ],
)
def test_times_and_versions_that_were_edited_are_noticed(run, edit):
    for task, seconds in (("views", 12.34), ("fold-00", 5), ("fold-01", 6)):
        record_work(run, task, seconds, installed_versions())
    read = [(work["task"], work["seconds"], work["versions"]) for work in read_work(run)]
    assert read == [("views", 12.3, installed_versions()), *((f"fold-0{i}", 5 + i, read[0][2]) for i in (0, 1))]
    edit_json(run.folder / "work.json", edit)
    with pytest.raises(InputError, match=r"work\.json: not the file of a run; it has been changed or damaged"):
        read_work(run)


def test_a_run_that_was_changed_is_not_resumed_and_its_file_is_named(run):
    """Not taken for a run of other photos or settings than those that are given now."""
    dataset = Dataset(run.schema, tuple(run.photos), run.labels)

    def resume() -> None:
        start_run(run, dataset, EXPERIMENT.absolute(), resume=True)

    kept = {name: (run.folder / name).read_bytes() for name in ("dataset.json", "config.yaml", "schema.json")}
    edit_json(run.folder / "dataset.json", lambda content: content["photos"].reverse())
    with pytest.raises(InputError, match=r"dataset\.json: other photos, labels, groups or weights than those that"):
        resume()
    (run.folder / "dataset.json").write_bytes(kept["dataset.json"])
    (run.folder / "config.yaml").write_bytes(kept["config.yaml"].replace(b"seed: 0", b"seed: 1"))
    with pytest.raises(InputError, match=r"config\.yaml: other settings than those that fold-00 was trained with"):
        resume()
    (run.folder / "config.yaml").unlink()
    with pytest.raises(InputError, match=r"config\.yaml: missing; restore it, or choose another --out"):
        resume()


def test_settings_that_were_edited_are_named(run):
    text = (run.folder / "config.yaml").read_text()
    for setting, other in (("learning_rate: 1.0e-05", "learning_rate: 0.5"), ("system: baseline", "system: sister_a")):
        assert setting in text
        (run.folder / "config.yaml").write_text(text.replace(setting, other))
        with pytest.raises(InputError, match=r"config\.yaml: other settings than those that fold-00 was trained with"):
            read_out_of_fold(run.folder)
        with pytest.raises(InputError, match=r"config\.yaml: other settings"):
            final_settings(run)


def test_settings_that_came_later_change_no_checksum_of_a_run_without_them(run):
    """As versions with 21 settings noted it; a run that uses a later setting has another."""
    first = "system backbone person_backbone weights size segmenter background edges keep_largest margin augment folds"
    first += " min_person_share trainable split epochs batch_size learning_rate precision seed on_error"
    said = {name: getattr(run.experiment, name) for name in first.split()} | {"segmenter": None}
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    assert read_json(run.fold(0).folder / "checksums.json")["config.yaml"] == digest
    text = (run.folder / "config.yaml").read_text()
    kept = [line for line in text.splitlines() if line.partition(":")[0] in said]
    (run.folder / "config.yaml").write_text("\n".join(kept))  # as those versions wrote it
    read_out_of_fold(run.folder)
    (run.folder / "config.yaml").write_text("\n".join([*kept, "label_smoothing: 0.1"]))
    with pytest.raises(InputError, match=r"config\.yaml: other settings"):
        read_out_of_fold(run.folder)


def test_logits_that_were_edited_are_named(run):
    with np.load(run.fold(1).predictions) as saved:
        edit_npz(run.fold(1).predictions, logits=-saved["logits"])
    with pytest.raises(InputError, match=r"fold-01.predictions\.npz: not as training wrote it"):
        read_summary(run)
    forget_checksums(run)
    with pytest.raises(InputError, match="does not follow"):
        read_summary(run)


def test_a_run_may_move(run):
    """What lies elsewhere, with the same content, changes no number."""

    def move(content: Any) -> None:
        for photo in content["photos"]:
            photo["path"] = f"/elsewhere/{Path(photo['path']).name}"

    before = read_summary(run)
    edit_json(run.folder / "dataset.json", move)
    text = (run.folder / "config.yaml").read_text()
    (run.folder / "config.yaml").write_text(text.replace("segmenter: selfie", "segmenter: /elsewhere/fcn"))
    assert read_summary(Run(run.folder.rename(run.folder.with_name("moved")))) == before


def test_changed_predictions_are_named(run):
    forget_checksums(run)
    file, other = run.fold(0).predictions, run.fold(1).predictions
    with np.load(file) as saved:
        logits, labels = saved["logits"], saved["labels"]
    broken = logits.copy()
    broken[2, 3] = np.nan
    for change, message in [
        ({"logits": broken}, "'sleeves' in row 2 is not a finite number: nan"),
        ({"logits": logits[:, :2]}, r"shape \(batch, 4\)"),
        ({"logits": logits[:2]}, "4 photos. Received: 2"),
        ({"logits": logits.astype(str)}, r"shape \(batch, 4\)"),
        ({"labels": 1 - labels}, "its labels are not"),
        ({"photos": np.array(["x.jpg"] * 4)}, "its photos are not"),
    ]:
        kept = file.read_bytes()
        edit_npz(file, **change)
        with pytest.raises(InputError, match=f"fold-00.*{message}"):
            read_all(run)
        file.write_bytes(kept)
    first, second = file.read_bytes(), other.read_bytes()
    file.write_bytes(second)
    other.write_bytes(first)
    with pytest.raises(InputError, match=r"fold-00.predictions\.npz: its rows are not those of this fold"):
        read_all(run)


def test_damaged_bytes_are_named_or_change_nothing(run):
    """No traceback, and no number that differs; a letter of a name that nothing else repeats may change."""
    rng, expected = np.random.default_rng(0), read_all(run)
    messages = []
    for file in sorted(file for file in run.folder.rglob("*") if file.suffix in (".json", ".yaml", ".npz")):
        kept = file.read_bytes()
        damages = [kept[: len(kept) // 2], b"", b"\xff" + kept, b"[" * 100_000, b"null", b"NaN", b"[1, {}]"]
        for position in rng.integers(0, len(kept), 12):
            damages.append(kept[:position] + bytes([kept[position] ^ 1 << rng.integers(8)]) + kept[position + 1 :])
        for damaged in damages:
            file.write_bytes(damaged)
            try:
                found = read_all(run)
            except InputError as error:
                messages.append(str(error))
            else:
                assert found["logits"] == expected["logits"]
                assert found["summary"]["macc"] == expected["summary"]["macc"]
        file.write_bytes(kept)
    assert len(messages) > 100
    for message in messages:
        assert str(run.folder) in message
        assert "\n" not in message
        assert len(message) < 600 + len(str(run.folder))


def test_a_fold_without_a_known_label_is_left_out(tmp_path):
    labels = np.abs(LABELS)
    labels[1::3] = -1
    run = write_run(tmp_path / "run", labels)
    summary = summarize(run)
    scores = [fold["macc"] for fold in summary["folds"]]
    assert scores[1] is None
    assert summary["macc"]["mean"] == pytest.approx((scores[0] + scores[2]) / 2)
    assert summary["macc"]["std"] == pytest.approx(abs(scores[0] - scores[2]) / 2**0.5)
    labels[2::3] = -1
    single = summarize(write_run(tmp_path / "single", labels))
    assert single["macc"]["std"] is None
    assert single["macc"]["mean"] == single["folds"][0]["macc"]


def test_a_dataset_without_a_known_label_starts_no_run(tmp_path):
    with pytest.raises(InputError, match="No label of the 12 photos is known"):
        write_run(tmp_path / "run", np.full(LABELS.shape, np.nan))


def test_more_classes_than_a_byte_holds(tmp_path):
    brand = replace(SCHEMA.attributes[1], name="brand", classes=tuple(f"class_{i}" for i in range(300)))
    schema = type(SCHEMA)((SCHEMA.attributes[0], brand))
    labels = np.stack([np.arange(12) % 2, np.arange(288, 300)], axis=1)
    run = write_run(tmp_path / "run", labels, schema=schema)
    np.testing.assert_array_equal(run.labels, labels)
    predicted = read_out_of_fold(run.folder).predicted
    assert predicted[:, 1].max() > 127


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "name", ["predictions.npz", "checksums.json", "history.json", "../summary.json", "../folds.json"]
)
def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(run, name):
    file = run.fold(0).folder / name
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(InputError, match=file.name):
        read_all(run)
