import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cli.main import main
from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.explanation.source import models_for
from keras_sister.run import Run
from keras_sister.training.fill_views import fill_view_store
from keras_sister.training.start import start_run
from keras_sister.training.trainer import Trainer, build_model

from ..exports import SCHEMA, draw, scatter
from ..harness import to_numpy
from .red import red_model


def explain(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["explain", *map(str, arguments)])


def rows(result: Result) -> list[dict]:
    assert result.exit_code == 0, result.output + result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def cv_run(tmp_path_factory: pytest.TempPathFactory, photos: list[Path], tiny: str) -> Run:
    """A run of ``cv`` with two folds, whose models have other weights; they were never trained."""
    folder = tmp_path_factory.mktemp("runs") / "cv"
    folder.mkdir()
    run = Run(folder)
    labels = np.zeros((len(photos), len(SCHEMA)), np.int8)
    experiment = Experiment(system="baseline", backbone=tiny, weights="none", size=32, folds=2).absolute()
    start_run(run, Dataset(SCHEMA, tuple(photos), labels), experiment, resume=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_SISTER_CACHE", str(tmp_path_factory.mktemp("cache")))
        fill_view_store(run, lambda event: None)
        run.write("folds.json", [[0, 2, 4], [1, 3]])
        for number, test in enumerate(run.folds):
            fold = run.fold(number)
            fold.folder.mkdir()
            trainer = Trainer(run, seed=number)
            scatter(trainer.model, seed=number)
            trainer.model.save_weights(fold.folder / "model.weights.h5")
            np.savez(fold.predictions, logits=trainer.predict(test), rows=test)
    return run


def test_a_photo_of_a_cv_run_is_explained_by_the_fold_that_was_tested_on_it(cv_run, photos, tmp_path):
    """The logits are those of the out-of-fold predictions; also of a copy elsewhere, known by its content."""
    copy = tmp_path / "copy.jpg"
    shutil.copy(photos[1], copy)
    found = rows(explain(cv_run.folder, *photos, copy, "--attribute", "collar", "--out", tmp_path / "maps", "--json"))
    by_photo = {row["photo"]: row for row in found}
    assert len(by_photo) == 6
    for number, test in enumerate(cv_run.folds):
        stored = np.load(cv_run.fold(number).predictions)["logits"]
        for row, logits in zip(test, stored, strict=True):
            explained = by_photo[str(photos[row])]
            sign = 1 if explained["class"] == "yes" else -1
            assert sign * explained["logit"] == pytest.approx(logits[0], abs=1e-4)
            assert f"fold-{number:02d}" in explained["model"]
            assert explained["note"] == ""
    assert by_photo[str(copy)]["logit"] == by_photo[str(photos[1])]["logit"]


def test_a_photo_that_is_not_of_the_run_is_said(cv_run, tmp_path):
    draw(40, 40, seed=99).save(tmp_path / "new.png")
    result = explain(cv_run.folder, tmp_path / "new.png", "--attribute", "collar", "--out", tmp_path)
    assert result.exit_code == 0
    assert f"{tmp_path / 'new.png'}: not a photo of the run; by the model of fold-00" in result.stderr


def test_a_photo_that_no_fold_tested_is_said(cv_run, photos, tmp_path):
    """As in a run on an official split."""
    run = Run(tmp_path / "split")
    shutil.copytree(cv_run.folder, run.folder)
    run.write("config.yaml", replace(run.experiment, split=True).to_yaml())
    run.write("dataset.json", run.read("dataset.json") | {"split": ["test", "train", "test", "val", "test"]})
    run.write("folds.json", [[0, 2, 4]])
    noted = {photo: chosen.note for chosen in models_for(run.folder, photos) for photo in chosen.photos}
    assert [photos.index(photo) for photo, note in noted.items() if "may have seen it" in note] == [1, 3]


def test_a_run_of_train(sister, photos, tmp_path):
    found = rows(
        explain(
            sister.folder, photos[0], "--attribute", "neckline", "--attribute", "collar", "--out", tmp_path, "--json"
        )
    )
    assert [row["attribute"] for row in found] == ["neckline", "collar"]
    for row in found:
        assert row["logit"] == pytest.approx(row["bias"] + sum(row["contributions"].values()), abs=1e-4)
        assert list(row["contributions"]) == ["photo", "segmented"]
        with Image.open(row["picture"]) as picture:
            assert picture.format == "PNG"
    model = build_model(sister.experiment, SCHEMA)
    model.load_weights(sister.folder / "model.keras")
    from keras_sister.training.trained import preprocessor_of_run

    logits = to_numpy(model(preprocessor_of_run(sister).load([photos[0]]), training=False))
    shown = SCHEMA.probabilities(logits)["neckline"][0]
    assert found[0]["probability"] == pytest.approx(shown.max(), abs=1e-5)


def test_a_keras_file(photos, fcn, tmp_path):
    red_model().save(tmp_path / "red.keras")
    result = explain(
        tmp_path / "red.keras", photos[0], "--attribute", "red", "--class", "no", "--segmenter", fcn, "--out", tmp_path
    )
    assert result.exit_code == 0, result.stderr
    assert "red: no" in result.stdout
    assert (tmp_path / "0-red.png").is_file()


def test_photos_of_one_name_get_pictures_of_their_own(cv_run, tmp_path):
    places = [tmp_path / name / "me.png" for name in ("a", "b")]
    for seed, place in enumerate(places):
        place.parent.mkdir()
        draw(40, 40, seed).save(place)
    found = rows(explain(cv_run.folder, *places, "--attribute", "collar", "--out", tmp_path / "maps", "--json"))
    assert [Path(row["picture"]).name for row in found] == ["me-collar.png", "me-2-collar.png"]


def test_an_unreadable_photo_is_reported_and_the_others_are_explained(cv_run, photos, tmp_path):
    (tmp_path / "text.jpg").write_text("not a photo")
    places = [tmp_path / "text.jpg", tmp_path / "missing.jpg", photos[0]]
    result = explain(cv_run.folder, *places, "--attribute", "collar", "--out", tmp_path)
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert [name in line for name, line in zip(("text.jpg", "missing.jpg"), sorted(errors)[::-1], strict=True)]
    assert len(errors) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--attribute", "hat"], "attribute must be one of collar, neckline, gender. Received: 'hat'"),
        (["--attribute", "collar", "--class", "round"], "class of collar must be one of no, yes"),
        (["--attribute", "collar", "--attribute", "gender", "--class", "yes"], "--class goes with one --attribute"),
        (["--attribute", "collar", "--segmenter", "selfie"], "--segmenter: "),
    ],
)
def test_errors_are_one_line(cv_run, photos, tmp_path, options, message):
    result = explain(cv_run.folder, photos[0], *options, "--out", tmp_path / "maps")
    assert result.exit_code in (1, 2)
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert message in line
    assert not (tmp_path / "maps").exists()


@pytest.mark.parametrize("keys", [[], [""], None, ["0" * 64] * 4])
def test_a_damaged_list_of_photos_is_named(cv_run, photos, tmp_path, keys):
    run = Run(shutil.copytree(cv_run.folder, tmp_path / "run"))
    run.write("views.json", run.views | {"keys": keys})
    result = explain(run.folder, photos[0], "--attribute", "neckline", "--out", tmp_path / "maps")
    assert result.exit_code == 1
    assert [line for line in result.stderr.splitlines() if f"{run.folder}/views.json" in line]
    assert isinstance(result.exception, SystemExit)


def test_what_is_no_model_is_said(tmp_path, photos):
    (tmp_path / "broken.keras").write_bytes(b"broken")
    for place, message in {
        "missing": "no such",
        "broken.keras": "not a model file",
        ".": "expected a finished",
    }.items():
        result = explain(tmp_path / place, photos[0], "--attribute", "collar", "--out", tmp_path / "maps")
        assert result.exit_code == 1
        assert message in result.stderr
