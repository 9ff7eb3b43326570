"""Predictions for changed photos: of a system with two towers, of one without masks, and through the command."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from PIL import Image

from cli.main import main
from keras_sister.config import Experiment
from keras_sister.data.dcsa import load_dcsa
from keras_sister.data.view_store import ViewStore
from keras_sister.errors import InputError
from keras_sister.evaluation.robustness import BACKGROUNDS, has_robustness, is_as_predicted, read_robustness
from keras_sister.evaluation.summary import summarize
from keras_sister.run import Run
from keras_sister.segmentation.background_swap import swap_background
from keras_sister.training.cross_validation import cross_validate
from keras_sister.training.fill_views import fill_view_store
from keras_sister.training.predictions import PredictionWriter
from keras_sister.training.start import start_run
from keras_sister.training.tasks import perform
from keras_sister.training.trained import preprocessor_of_run, trained_model
from keras_sister.training.trainer import build_model

from ..exports import scatter, tiny_network

PHOTOS = 20
SETTINGS = {"weights": "none", "size": 32, "folds": 2}
NOBODY = "000003"


@pytest.fixture(scope="module")
def dataset(dataset_folder, tmp_path_factory):
    """20 photos; the mask of one is empty."""
    folder = tmp_path_factory.mktemp("robust") / "dataset"
    shutil.copytree(dataset_folder, folder)
    mask = folder / "masks" / f"{NOBODY}.png"
    with Image.open(mask) as drawn:
        size = drawn.size
    Image.new("L", size).save(mask)
    whole = load_dcsa(folder)
    return whole.without(list(range(PHOTOS, len(whole)))), folder / "masks"


def finish(folder: Path, dataset, masks: Path, system: str) -> Run:
    """A finished cross-validation whose models have random weights."""
    run = Run(folder)
    folder.mkdir()
    tiny = tiny_network(folder.with_name("tiny.keras"))
    networks = {"backbone": tiny, "person_backbone": tiny}
    experiment = Experiment(system=system, segmenter=f"masks:{masks}", **networks, **SETTINGS)
    start_run(run, dataset, experiment.absolute(), resume=False)
    fill_view_store(run, lambda event: None)
    pairs, preprocessor = (
        ViewStore(32, run.views["fingerprint"]).open(run.photo_keys, run.photos),
        preprocessor_of_run(run),
    )
    run.write("folds.json", [list(range(0, PHOTOS, 2)), list(range(1, PHOTOS, 2))])
    model = build_model(experiment, run.schema)
    for number, rows in enumerate(run.folds):
        fold = run.fold(number)
        fold.folder.mkdir()
        scatter(model, seed=number)
        model.save_weights(fold.folder / "model.weights.h5")
        views = preprocessor.views({name: tf.constant(pairs.read(name, rows)) for name in pairs.channels})
        run.write(f"{fold.name}/history.json", {"best_epoch": 0, "epochs": [{"loss": 1.0, "macc": 0.5}]})
        PredictionWriter(run).write(number, keras.ops.convert_to_numpy(model(views, training=False)))
    run.write("summary.json", summarize(run))
    return run


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def one_cache(cache, monkeypatch):
    monkeypatch.setenv("KERAS_SISTER_CACHE", str(cache))


@pytest.fixture(scope="module")
def runs(dataset, tmp_path_factory, cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_SISTER_CACHE", str(cache))
        folder = tmp_path_factory.mktemp("runs")
        return {system: finish(folder / system, *dataset, system) for system in ("sister_a", "baseline")}


def measure(run: Run) -> list[dict]:
    run.write("robustness.json", {"other_segmenter": None})
    events: list[dict] = []
    perform(run, "robustness", events.append)
    return events


def test_predictions_are_those_of_the_model_for_swapped_views(runs, dataset):
    run = runs["sister_a"]
    events = [event for event in measure(run) if event["event"] == "counted"]
    assert [event["done"] for event in events][-1] == events[0]["of"] == PHOTOS * (BACKGROUNDS + 3)
    found = read_robustness(run)
    (nobody,) = (row for row, photo in enumerate(run.photos) if photo.stem == NOBODY)
    assert np.flatnonzero(~found.background_swap.applies).tolist() == [nobody]
    assert not (found.backgrounds == nobody).any()
    pairs = ViewStore(32, run.views["fingerprint"]).open(run.photo_keys, run.photos)
    preprocessor = preprocessor_of_run(run)
    for number, rows in enumerate(run.folds):
        model = trained_model(run, run.fold(number).folder / "model.weights.h5")
        chosen = rows[rows != nobody]
        others = found.backgrounds[1, chosen]
        assert set(others) <= set(chosen)
        mask = pairs.masks(chosen)
        photo = swap_background(pairs.photos(chosen), mask, pairs.photos(others), pairs.masks(others))
        views = preprocessor.views({"photo": photo, "mask": tf.constant(mask)})
        predicted = keras.ops.convert_to_numpy(model(views, training=False))
        np.testing.assert_allclose(found.background_swap.logits[1, chosen], predicted, atol=1e-4)
        whole = {"photo": pairs.photos(rows), "segmented": pairs.photos(rows)}  # nobody found: the photo stays whole
        predicted = keras.ops.convert_to_numpy(model(whole, training=False))
        np.testing.assert_allclose(found.masks["nobody"].logits[0, rows], predicted, atol=1e-4)


def test_an_interruption_keeps_what_is_done_and_no_score_of_files_that_change(runs):
    run = runs["sister_a"]
    if not has_robustness(run):
        measure(run)
    run.write("summary.json", summarize(run, robustness=True))
    complete, kept = run.read("summary.json"), run.fold(0).robustness.read_bytes()
    changed = dict(np.load(run.fold(1).robustness))
    np.savez(run.fold(1).robustness, **changed | {"eroded": changed["eroded"][::-1]})

    def interrupt(event):
        if event["event"] == "counted":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        perform(run, "robustness", interrupt)
    assert run.read("summary.json") == {name: complete[name] for name in complete if name != "robustness"}
    assert not is_as_predicted(run, 1)
    events = [event for event in measure(run) if event["event"] == "counted"]
    assert events[0]["done"] > events[0]["of"] / 2  # the first fold counts as done
    assert run.fold(0).robustness.read_bytes() == kept
    assert summarize(run, robustness=True) == complete


def test_weights_of_another_fold_are_refused(runs, tmp_path):
    """In a run of the first versions, too, which has no checksums."""
    run = Run(shutil.copytree(runs["baseline"].folder, tmp_path / "run"))
    shutil.copy(run.fold(0).folder / "model.weights.h5", run.fold(1).folder)
    with pytest.raises(InputError, match=r"fold-01.model\.weights\.h5: not as training wrote it"):
        measure(run)
    for file in run.folder.rglob("checksums.json"):
        file.unlink()
    with pytest.raises(InputError, match="fold-01: its weights do not give the predictions"):
        measure(run)
    (run.fold(1).folder / "model.weights.h5").unlink()
    with pytest.raises(InputError, match=r"fold-01/model.weights.h5: missing; remove"):
        measure(run)


def test_the_command_measures_finished_runs_and_compares_them(runs, dataset, monkeypatch):
    """The baseline takes no masks: the segmenter of its settings, or a new one, cuts persons out."""
    photos, masks = dataset
    if not has_robustness(runs["sister_a"]):
        measure(runs["sister_a"])
    run = runs["baseline"]
    arguments = ["cv", "DATASET", "--out", str(run.folder), "--resume"]
    monkeypatch.setattr("cli.cv.open_and_show_notes", lambda *args, **kwargs: photos)
    refused = CliRunner().invoke(main, [*arguments, "--other-segmenter", "selfie"])
    assert refused.exit_code == 2
    refused = CliRunner().invoke(main, [*arguments, "--robustness", "--other-segmenter", "selfie"])
    assert refused.exit_code == 1
    assert "baseline takes no masks" in refused.stderr
    compare = ["compare", str(run.folder), str(runs["sister_a"].folder)]
    without = CliRunner().invoke(main, compare)
    assert "Robustness" not in without.stdout
    assert f"--robustness' for {run.folder} too" in without.stderr

    moved = shutil.copytree(masks, masks.parent / "moved")  # a new place for what only robustness needs
    result = CliRunner().invoke(main, [*arguments, "--robustness", "--segmenter", f"masks:{moved}"])
    assert result.exit_code == 0, result.output
    swap = run.read("summary.json")["robustness"]["background_swap"]
    shown = next(line for line in result.stdout.splitlines() if "other background" in line)
    assert f"{100 * swap['macc']['mean']:.2f} ± {100 * swap['macc']['std']:.2f}" in shown
    assert f"{swap['tags_changed']['per_photo']:.2f}" in shown
    assert "mask too small" not in result.stdout
    assert cross_validate(photos, run.experiment, run.folder, resume=True)["robustness"]["background_swap"] == swap

    compared = CliRunner().invoke(main, [*compare, "--json"])
    assert compared.exit_code == 0, compared.output
    first, second = json.loads(compared.stdout)
    assert first["robustness"]["background_swap"] == swap
    assert first["robustness"]["difference"] is None
    tags = [found["robustness"]["background_swap"]["tags_changed"]["per_photo"] for found in (first, second)]
    assert second["robustness"]["difference"]["tags_changed"]["estimate"] == pytest.approx(tags[1] - tags[0])
    table = CliRunner().invoke(main, compare).stdout
    assert "mask too small" in table
    assert "same other backgrounds" in table
