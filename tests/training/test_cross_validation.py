import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score

from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.data.dcsa import load_dcsa
from keras_sister.errors import InputError
from keras_sister.evaluation.checksums import contents_of
from keras_sister.evaluation.comparison import Group, compare_with_first
from keras_sister.evaluation.out_of_fold import read_out_of_fold
from keras_sister.evaluation.summary import read_summary
from keras_sister.run import OnEvent, Run
from keras_sister.schema import DCSA
from keras_sister.training import tasks
from keras_sister.training.cross_validation import cross_validate, cross_validate_several
from keras_sister.training.fill_views import fill_view_store
from keras_sister.training.fold_split import write_folds
from keras_sister.training.start import is_moved, start_run
from keras_sister.training.tower_features import tower_features
from keras_sister.training.trained import trained_model
from keras_sister.training.trainer import Trainer
from keras_sister.training.worker import chain, perform_in_child

from ..conftest import COLORS, perform_tasks_here


@pytest.fixture(scope="module")
def experiment(tiny: str) -> Experiment:
    return Experiment(
        system="baseline",
        backbone=tiny,
        size=32,
        augment=True,
        folds=2,
        epochs=12,
        batch_size=4,
        learning_rate=2e-3,
    )


@pytest.fixture(scope="module")
def dataset(dataset_folder: Path) -> Dataset:
    return load_dcsa(dataset_folder)


@pytest.fixture(scope="module")
def finished(
    experiment: Experiment, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, list[dict[str, Any]]]:
    """A run that nothing interrupted, and the events it told of; made in this process, to the bits of workers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_SISTER_CACHE", str(tmp_path_factory.mktemp("cache")))
        perform_tasks_here(patch)
        told: list[dict[str, Any]] = []
        out = tmp_path_factory.mktemp("runs") / "whole"
        cross_validate(dataset, experiment, out, on_event=told.append)
    return Run(out), told


def outcome(run: Run) -> dict[str, Any]:
    """All that must not depend on whether the run was interrupted."""
    logits = [np.load(run.folder / f"fold-{fold:02d}" / "predictions.npz")["logits"] for fold in range(2)]
    histories = [run.read(f"fold-{fold:02d}/history.json") for fold in range(2)]
    return {"summary": run.read("summary.json"), "logits": [a.tobytes() for a in logits], "histories": histories}


def run_until(
    experiment: Experiment, dataset_folder: Path, out: Path, enough: Callable[[dict[str, Any]], bool]
) -> bool:
    """Run or resume in another process; kill that, and whatever it started, at the first event that is `enough`."""
    program = f"""
import json, sys
from pathlib import Path
from keras_sister.config import Experiment
from keras_sister.data.dcsa import load_dcsa
from keras_sister.training.cross_validation import cross_validate

experiment = Experiment(**json.loads({json.dumps(asdict(experiment))!r}))
tell = lambda event: print(json.dumps(event), flush=True)
cross_validate(load_dcsa(sys.argv[1]), experiment, Path(sys.argv[2]), resume=True, on_event=tell)
"""
    command = [sys.executable, "-c", program, str(dataset_folder), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as child:
        for line in child.stdout:
            if enough(json.loads(line)):
                os.killpg(child.pid, signal.SIGKILL)
                return True
    assert child.returncode == 0
    return False


def test_every_photo_is_tested_once_by_a_model_that_has_not_seen_it(dataset, finished):
    run, _ = finished
    tested = np.concatenate(run.folds)
    assert sorted(tested) == list(range(len(dataset)))
    for fold, rows in enumerate(run.folds):
        saved = np.load(run.folder / f"fold-{fold:02d}" / "predictions.npz")
        np.testing.assert_array_equal(saved["rows"], rows)
        np.testing.assert_array_equal(saved["labels"], dataset.labels[rows])
        assert saved["photos"].tolist() == [dataset.photos[row].name for row in rows]


def test_scores_are_those_of_the_saved_predictions(dataset, finished):
    run, _ = finished
    summary = run.read("summary.json")
    answers = np.empty_like(dataset.labels)
    for fold, rows in enumerate(run.folds):
        answers[rows] = DCSA.predict(np.load(run.folder / f"fold-{fold:02d}" / "predictions.npz")["logits"])

    def macc(rows: np.ndarray) -> float:
        known = [dataset.labels[rows, i] >= 0 for i in range(len(DCSA))]
        pairs = [(dataset.labels[rows, i][k], answers[rows, i][k]) for i, k in enumerate(known) if k.any()]
        return float(np.mean([accuracy_score(*pair) for pair in pairs]))

    folds = [macc(rows) for rows in run.folds]
    assert [fold["macc"] for fold in summary["folds"]] == pytest.approx(folds)
    assert summary["macc"]["mean"] == pytest.approx(np.mean(folds))
    assert summary["macc"]["std"] == pytest.approx(np.std(folds, ddof=1))
    assert summary["macc"]["pooled"] == pytest.approx(macc(np.arange(len(dataset))))
    for i, name in enumerate(DCSA.names):
        known = dataset.labels[:, i] >= 0
        assert summary["attributes"][name]["known"] == known.sum()
        expected = accuracy_score(dataset.labels[known, i], answers[known, i])
        assert summary["attributes"][name]["accuracy"] == pytest.approx(expected)


def test_it_learns(finished):
    attributes = finished[0].read("summary.json")["attributes"]
    scores = {answer: np.mean([attributes[color][answer] for color in COLORS]) for answer in ("accuracy", "majority")}
    assert scores["accuracy"] > scores["majority"] + 0.05


def test_the_epoch_is_the_best_on_the_inner_split(experiment, finished):
    run, _ = finished
    for fold in range(2):
        history = run.read(f"fold-{fold:02d}/history.json")
        assert len(history["epochs"]) == experiment.epochs
        scores = [epoch["val_macc"] for epoch in history["epochs"]]
        assert scores[history["best_epoch"]] == max(scores)


def test_it_tells_how_it_gets_on(experiment, finished):
    told = finished[1]
    assert [event["task"] for event in told if event["event"] == "done"] == ["fold-00", "fold-01"]
    epochs = [(event["task"], event["epoch"]) for event in told if event["event"] == "epoch"]
    assert epochs == [(task, epoch) for task in ("fold-00", "fold-01") for epoch in range(experiment.epochs)]
    photos = [event["photos"] for event in told if event["event"] == "photos"]
    assert photos[-1] == 48


@pytest.mark.slow
def test_killed_again_and_again_it_ends_with_the_same_scores(experiment, dataset_folder, finished, tmp_path):
    out = tmp_path / "killed"
    points = [
        lambda event: event["event"] == "photos" and event["photos"] == 48,
        lambda event: event["event"] == "step" and event["epoch"] == 2,
        lambda event: event["event"] == "epoch" and event["epoch"] == 0 and event["task"] == "fold-01",
    ]
    for point in points:
        assert run_until(experiment, dataset_folder, out, point)
    assert not (out / "summary.json").exists()
    assert not run_until(experiment, dataset_folder, out, lambda event: False)
    assert outcome(Run(out)) == outcome(finished[0])


def test_a_finished_run_is_not_done_again(experiment, dataset, finished):
    run, _ = finished
    before = {file: file.stat().st_mtime_ns for file in run.folder.rglob("predictions.npz")}
    told: list[dict[str, Any]] = []
    summary = cross_validate(dataset, experiment, run.folder, resume=True, on_event=told.append)
    assert summary == run.read("summary.json")
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert not any(event["event"] in ("step", "epoch") for event in told)


@pytest.mark.usefixtures("tasks_here")
def test_a_fold_whose_folder_was_removed_is_trained_again(experiment, dataset, finished, tmp_path, monkeypatch):
    """As errors advise for a damaged one; the run had ended."""
    whole, _ = finished
    run, performed = Run(shutil.copytree(whole.folder, tmp_path / "run")), []
    shutil.rmtree(run.fold(1).folder)
    with pytest.raises(InputError, match="fold-01 is missing; finish the run with 'cv --resume'"):
        read_summary(run)

    def take_from_the_other_run(run: Run, task: str, on_event: OnEvent) -> None:
        performed.append(task)
        if task != "views":
            shutil.copytree(whole.folder / task, run.folder / task)

    monkeypatch.setattr(tasks, "perform", take_from_the_other_run)
    assert cross_validate(dataset, experiment, run.folder, resume=True) == read_summary(whole)
    assert performed == ["views", "fold-01"]


def test_a_run_is_not_mixed_with_another(experiment, dataset, finished, tmp_path):
    run, _ = finished
    with pytest.raises(InputError, match="--resume"):
        cross_validate(dataset, experiment, run.folder)
    with pytest.raises(InputError, match="epochs: 13, not 12"):
        cross_validate(dataset, replace(experiment, epochs=13), run.folder, resume=True)
    labels = dataset.labels.copy()
    labels[0, 0] = -1 - labels[0, 0] if labels[0, 0] < 0 else -1
    with pytest.raises(InputError, match="other photos or labels"):
        cross_validate(replace(dataset, labels=labels), experiment, run.folder, resume=True)
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="not a run"):
        cross_validate(dataset, experiment, tmp_path)
    with run.locked(), pytest.raises(InputError, match="is working in this folder"):
        cross_validate(dataset, experiment, run.folder, resume=True)


def test_weights_of_a_fold_that_were_swapped_or_damaged_are_named(finished, tmp_path):
    run = Run(shutil.copytree(finished[0].folder, tmp_path / "run"))
    first, second = (run.fold(number).folder / "model.weights.h5" for number in range(2))
    trained_model(run, first)
    kept = first.read_bytes()
    middle = len(kept) // 2
    for changed in (second.read_bytes(), kept[:middle] + bytes([kept[middle] ^ 1]) + kept[middle + 1 :]):
        first.write_bytes(changed)
        with pytest.raises(InputError, match=r"fold-00.model\.weights\.h5: not as training wrote it"):
            trained_model(run, first)
    trained_model(run, second)


def test_a_moved_dataset_resumes(experiment, dataset_folder, finished, tmp_path, monkeypatch):
    """Names, contents and labels are compared, not paths; `compare` pairs the runs."""
    run = Run(shutil.copytree(finished[0].folder, tmp_path / "run"))
    before = run.read("summary.json")
    moved = shutil.copytree(dataset_folder, tmp_path / "moved")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert cross_validate(load_dcsa("../moved"), experiment, run.folder, resume=True) == before
    assert run.photos[0] == moved.resolve() / "images" / "000001.jpg"
    both = [read_out_of_fold(folder) for folder in (finished[0].folder, run.folder)]
    assert compare_with_first([Group((one,)) for one in both])[0].folds.estimate == 0

    photo = moved / "images" / "000002.jpg"
    Image.open(photo).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(photo)
    with pytest.raises(InputError, match=r"000002\.jpg: changed since"):
        cross_validate(load_dcsa("../moved"), experiment, run.folder, resume=True)


def test_moved_masks_and_weights_resume_if_they_are_the_same(experiment, dataset_folder, dataset, tmp_path):
    masks, weights = shutil.copytree(dataset_folder / "masks", tmp_path / "a" / "masks"), tmp_path / "a.weights.h5"
    weights.write_bytes(b"any bytes")
    mini = {"backbone": "resnet_mini", "weights": str(weights), "batch_norm": None}
    experiment = replace(experiment, system="segmented", segmenter=f"masks:{masks}", **mini)
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    start_run(run, dataset, experiment, resume=False)
    fill_view_store(run, lambda event: None)
    assert not is_moved(run)
    (run.folder / "checkpoint.npz").touch()
    moved = replace(
        experiment,
        segmenter=f"masks:{shutil.move(masks, tmp_path / 'masks')}",
        weights=str(weights.rename(tmp_path / "b.weights.h5")),
    )
    start_run(run, dataset, moved, resume=True)
    assert run.experiment == moved
    assert is_moved(run)
    fill_view_store(run, lambda event: None)
    assert not is_moved(run)

    Path(moved.weights).write_bytes(b"other bytes")
    with pytest.raises(InputError, match="initial weights have changed"):
        start_run(run, dataset, moved, resume=True)
    mask = tmp_path / "masks" / "000003.png"
    Image.open(mask).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(mask)
    with pytest.raises(InputError, match="masks: changed since"):
        fill_view_store(run, lambda event: None)


@pytest.mark.parametrize("earlier", [True, False])
def test_a_folder_of_photos_that_moves_to_another_disk_changes_nothing(
    experiment, earlier, dataset_folder, dataset, tmp_path
):
    """The names within the folder of all photos change; that nobody was found in some photos does not."""
    masks = shutil.copytree(dataset_folder / "masks", tmp_path / "masks")
    with Image.open(masks / "000001.png") as mask:
        blank = Image.new("L", mask.size)
    blank.save(masks / "000001.png")
    shutil.copytree(dataset_folder / "images", tmp_path / "shop" / "a")
    (tmp_path / "shop" / "b").mkdir()
    moved = [
        (tmp_path / "shop" / "a" / photo.name).rename(tmp_path / "shop" / "b" / photo.name)
        for photo in dataset.photos[:9]
    ]
    photos = (*moved, *(tmp_path / "shop" / "a" / photo.name for photo in dataset.photos[9:]))
    experiment = replace(experiment, system="segmented", segmenter=f"masks:{masks}")
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    start_run(run, replace(dataset, photos=photos), experiment, resume=False)
    fill_view_store(run, lambda event: None)
    if earlier:
        run.write("views.json", {**run.views, "without_person": ["b/000001.jpg"]})
    before = contents_of(run)
    shutil.move(tmp_path / "shop" / "b", tmp_path / "disk")
    photos = (*(tmp_path / "disk" / photo.name for photo in moved), *photos[9:])
    (run.folder / "checkpoint.npz").touch()
    start_run(run, replace(dataset, photos=photos), experiment, resume=True)
    fill_view_store(run, lambda event: None)
    assert contents_of(run) == before


@pytest.mark.usefixtures("tasks_here")
def test_photos_with_other_masks_have_other_features(experiment, dataset_folder, dataset, tmp_path):
    """Where masks are looked up by name, features are kept by name too."""
    masks = tmp_path / "masks"
    masks.mkdir()
    left_half = Image.new("L", (40, 80))
    left_half.paste(255, (0, 0, 20, 80))
    left_half.save(masks / "a.png")
    left_half.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(masks / "b.png")
    found = []
    for folder, names in ((tmp_path / "first", "ab"), (tmp_path / "second", "ba")):
        folder.mkdir()
        for seed, name in enumerate(names):
            noise = np.random.default_rng(seed).integers(0, 256, (80, 40, 3), np.uint8)
            Image.fromarray(noise).save(folder / f"{name}.png")
        some = replace(dataset, photos=tuple(folder / f"{name}.png" for name in names), labels=dataset.labels[:2])
        run = Run(folder / "run")
        run.folder.mkdir()
        experiment = replace(experiment, system="segmented", segmenter=f"masks:{masks}", augment=False)
        start_run(run, some, experiment, resume=False)
        fill_view_store(run, lambda event: None)
        found.append(tower_features(run, Trainer(run, seed=0).model, lambda event: None)[0][0])
    assert (np.abs(found[0] - found[1]).max(axis=1) > 1e-3).all()


@pytest.mark.usefixtures("tasks_here")
def test_a_loss_that_is_not_finite_ends_the_fold(experiment, dataset, tmp_path):
    mini = {"backbone": "resnet_mini", "weights": "none", "batch_norm": "train"}  # deep enough to overflow
    broken = replace(experiment, **mini, learning_rate=0.999, precision="mixed_float16", epochs=60)
    message = r"fold-00: \w+ is (nan|inf) in epoch \d+, step \d+; lower --learning-rate \(now 0\.999\)"
    with pytest.raises(InputError, match=message):
        cross_validate(dataset, broken, tmp_path / "run")
    assert not (tmp_path / "run" / "summary.json").exists()


def test_folds_of_too_few_photos_are_refused(experiment, dataset, tmp_path):
    for photos in (2, 3):
        few = replace(dataset, photos=dataset.photos[:photos], labels=dataset.labels[:photos])
        with pytest.raises(InputError, match=r"too few|at least"):
            cross_validate(few, replace(experiment, folds=photos - 1 if photos == 3 else 2), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_broken_photo_is_named_by_the_worker(experiment, dataset, tmp_path, monkeypatch):
    broken = tmp_path / "000001.jpg"
    broken.write_bytes(dataset.photos[0].read_bytes()[:-300])
    photos = (broken, *dataset.photos[1:])
    for _ in range(2):  # nothing was trained, so the second time is as the first
        with pytest.raises(InputError, match=r"000001\.jpg: a truncated JPEG"):
            cross_validate(replace(dataset, photos=photos), experiment, tmp_path / "run")
        perform_tasks_here(monkeypatch)


def test_broken_photos_are_left_out_where_asked(experiment, dataset, tmp_path):
    """The run is then the run of the other photos, also when it is resumed."""
    photos = list(dataset.photos)
    for row, contents in {0: b"GIF89a", 7: photos[7].read_bytes()[:-300]}.items():
        photos[row] = tmp_path / photos[row].name
        photos[row].write_bytes(contents)
    damaged = replace(dataset, photos=tuple(photos))
    run, told = Run(tmp_path / "run"), []
    run.folder.mkdir()
    start_run(run, damaged, experiment, resume=False)
    with pytest.raises(InputError, match=r"(?s)2 of 48 photos.*000001.*GIF.*000008.*--on-error"):
        fill_view_store(run, told.append)
    skipping = replace(experiment, on_error="skip")
    start_run(run, damaged, skipping, resume=True)  # nothing was trained
    fill_view_store(run, told.append)
    assert {"event": "left_out", "photos": 2, "of": 48} in told
    assert [(photo["row"], Path(photo["path"]).name) for photo in run.read("left_out.json")] == [
        (0, "000001.jpg"),
        (7, "000008.jpg"),
    ]
    whole = dataset.without(run.left_out)
    assert run.photos == list(whole.photos)
    np.testing.assert_array_equal(run.labels, whole.labels)
    assert len(run.read("views.json")["keys"]) == 46
    run.fold(0).folder.mkdir()
    run.fold(0).predictions.touch()  # from here on the run is resumed
    start_run(run, damaged, skipping, resume=True)
    fill_view_store(run, told.append)
    with pytest.raises(InputError, match="other photos or labels"):
        start_run(run, dataset.without([0]), skipping, resume=True)


def test_photos_without_a_person_are_counted_and_named(experiment, dataset_folder, dataset, tmp_path):
    masks = shutil.copytree(dataset_folder / "masks", tmp_path / "masks")
    for name in ("000003", "000010"):
        with Image.open(masks / f"{name}.png") as mask:
            blank = Image.new("L", mask.size, 100)
        blank.save(masks / f"{name}.png")
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    start_run(run, dataset, replace(experiment, system="segmented", segmenter=f"masks:{masks}"), resume=False)
    told: list[dict[str, Any]] = []
    fill_view_store(run, told.append)
    assert run.read("views.json")["without_person"] == [2, 9]
    assert told[-1] == {"event": "without_person", "photos": 2, "of": 48}


@pytest.mark.parametrize(
    ("trainable", "task", "message"),
    [
        ("all", "fold-00", r"fold-00: out of memory.*--resume.*--batch-size 2"),
        ("head", chain("views", "heads"), r"heads: out of memory.*--resume"),
    ],
)
def test_memory_that_runs_out_in_the_worker_is_one_line(experiment, dataset, tmp_path, trainable, task, message):
    """The backbone pads a photo to terabytes, which no machine can allocate."""
    file, run = tmp_path / "huge.keras", Run(tmp_path / "run")
    keras.Sequential([keras.Input((32, 32, 3)), keras.layers.ZeroPadding2D(500_000)]).save(file)
    run.folder.mkdir()
    experiment = replace(experiment, backbone=str(file), trainable=trainable)
    start_run(run, dataset, experiment.absolute(), resume=False)
    fill_view_store(run, lambda event: None)  # here: a worker would have to load TensorFlow for it
    write_folds(run)
    with pytest.raises(InputError, match=message) as caught:
        perform_in_child(run, task, lambda event: None)
    assert "\n" not in str(caught.value)


@pytest.fixture
def own_backbone(tmp_path: Path) -> Path:
    keras.Sequential(
        [keras.Input((32, 32, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(8, 8, strides=8)]
    ).save(tmp_path / "mine.keras")
    return tmp_path / "mine.keras"


def test_a_backbone_of_ones_own_is_recorded_by_its_content(experiment, dataset, own_backbone, tmp_path):
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    experiment = replace(experiment, backbone=str(own_backbone))
    start_run(run, dataset, experiment.absolute(), resume=False)
    digest = hashlib.sha256(own_backbone.read_bytes()).hexdigest()
    assert run.experiment.backbone == f"{own_backbone}#sha256={digest}"
    (run.folder / "model.keras").touch()  # as if it had been trained

    moved = own_backbone.rename(tmp_path / "moved.keras")
    start_run(run, dataset, replace(experiment, backbone=str(moved)).absolute(), resume=True)
    assert run.experiment.backbone == f"{moved}#sha256={digest}"

    keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(8, 8, strides=8)]).save(own_backbone)
    with pytest.raises(InputError, match=r"other settings \(backbone: .*, not .*\)"):
        start_run(run, dataset, experiment.absolute(), resume=True)
    own_backbone.unlink()
    with pytest.raises(InputError, match=r"no such file: .*mine\.keras"):
        experiment.absolute()


@pytest.mark.usefixtures("tasks_here")
def test_a_backbone_of_ones_own_is_cross_validated(experiment, dataset, own_backbone, tmp_path):
    experiment = replace(experiment, backbone=str(own_backbone), epochs=1)
    summary = cross_validate(dataset, experiment, tmp_path / "run")
    assert 0 < summary["macc"]["mean"] < 1
    (tmp_path / "run" / "summary.json").unlink()
    (tmp_path / "run" / "fold-01" / "predictions.npz").unlink()
    own_backbone.write_bytes(own_backbone.read_bytes() + b" ")
    with pytest.raises(InputError, match=r"mine\.keras: changed since the run was started"):
        cross_validate(dataset, Run(tmp_path / "run").experiment, tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("system", "other", "message"),
    [
        ("baseline", "selfie", "baseline takes no masks, so none can be replaced"),
        ("segmented", "selfy", "selfy: not a segmenter"),
        ("segmented", "masks:nowhere", "masks:nowhere: no such file or folder"),
        ("baseline", None, "masks:gone: no such file or folder"),
    ],
)
def test_segmenters_of_robustness_are_refused_before_the_run_starts(
    experiment, dataset_folder, tmp_path, system, other, message
):
    segmenter = "masks:gone" if other is None else f"masks:{dataset_folder / 'masks'}"
    experiment = Experiment(
        system=system, backbone="resnet_mini", weights="none", size=32, folds=2, segmenter=segmenter
    )
    run = tmp_path / "run"
    with pytest.raises(InputError, match=message):
        cross_validate(load_dcsa(dataset_folder), experiment, run, robustness=True, other_segmenter=other)
    assert not run.exists()


def test_of_several_runs_all_are_checked_before_the_first_starts(experiment, dataset, tmp_path):
    few = replace(dataset, photos=dataset.photos[:6], labels=dataset.labels[:6])
    runs = {tmp_path / "two": experiment, tmp_path / "seven": replace(experiment, folds=7)}
    with pytest.raises(InputError, match=r"too few|at least"):
        cross_validate_several(few, runs)
    without_masks = replace(experiment, system="segmented", segmenter="masks:gone")
    with pytest.raises(InputError, match="masks:gone: no such file or folder"):
        cross_validate_several(dataset, {tmp_path / "two": experiment, tmp_path / "segmented": without_masks})
    assert not list(tmp_path.iterdir())
