"""Cross-validation of a user's table: groups stay whole, weights reach the loss, and the run folder records both."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cli.main import main
from keras_sister.config import Experiment
from keras_sister.data.dataset import Dataset
from keras_sister.data.folds import inner_split, official_test
from keras_sister.data.open import open_dataset
from keras_sister.errors import InputError
from keras_sister.evaluation.out_of_fold import read_out_of_fold
from keras_sister.evaluation.paired import bootstrap_macc
from keras_sister.run import Run
from keras_sister.training.cross_validation import cross_validate
from keras_sister.training.fill_views import fill_view_store
from keras_sister.training.start import start_run
from keras_sister.training.trainer import Trainer

OPTIONS = "--system baseline --weights none --size 32 --folds 2 --epochs 1 --learning-rate 1e-3"
COLORS = {"red": (200, 30, 30), "blue": (30, 30, 200)}


@pytest.fixture
def experiment(tiny: str) -> Experiment:
    return Experiment(
        system="baseline", backbone=tiny, weights="none", size=32, folds=2, epochs=1, learning_rate=1e-3
    ).absolute()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """24 photos of 8 products, with a typo in row 4 and weights."""
    rows = ["image;sku;colour;sizes;w"]
    for i in range(24):
        colour = list(COLORS)[i // 3 % 2]
        Image.new("RGB", (40, 50), COLORS[colour]).save(tmp_path / f"{i}.png")
        rows.append(f"{i}.png;P{i // 3};{'bleu' if i == 2 else colour};{('S', 'M', 'S,M')[i % 3]};{i / 10}")
    (tmp_path / "t.csv").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "d.yaml").write_text(
        "table: t.csv\nphoto: image\ngroup: sku\nweight: w\nattributes:\n"
        "  colour: [red, blue]\n  sizes: {separator: ',', values: [S, M]}\n"
    )
    return tmp_path / "d.yaml"


@pytest.mark.usefixtures("tasks_here")
def test_from_a_table_to_scores_by_group(shop, experiment, tmp_path):
    out = tmp_path / "run"
    command = ["cv", str(shop), *OPTIONS.split(), "--backbone", experiment.backbone, "--out", str(out)]
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 1
    assert "row 4, column 'colour': 'bleu' fits no class; did you mean 'blue'?" in refused.stderr
    result = CliRunner().invoke(main, [*command, "--on-unknown-value", "unknown"])
    assert result.exit_code == 0, result.output
    assert "colour 1 (such as 'bleu' in row 4)" in result.stderr
    assert "(8 groups)" in result.stdout

    run, dataset = Run(out), open_dataset(shop, on_unknown_value="unknown")
    assert run.groups.tolist() == dataset.groups.tolist()
    assert run.weights.tolist() == [i / 10 for i in range(24)]
    first, second = (set(run.groups[rows]) for rows in run.folds)
    assert first.isdisjoint(second)
    summary, scored = run.read("summary.json"), read_out_of_fold(out)
    assert (summary["photos"], summary["groups"]) == (24, 8)
    expected = bootstrap_macc(scored.known, scored.correct, np.zeros(scored.known.shape), groups=dataset.groups)
    assert summary["macc"]["interval"] == [expected.low, expected.high]
    assert summary["macc"]["pooled"] == pytest.approx(expected.estimate)
    assert summary["attributes"]["colour"]["known"] == 23

    assert cross_validate(dataset, experiment, out, resume=True) == summary
    for changed in (replace(dataset, groups=None), replace(dataset, weights=dataset.weights + 1)):
        with pytest.raises(InputError, match="other groups, weights or splits"):
            cross_validate(changed, experiment, out, resume=True)
    compared = CliRunner().invoke(main, ["compare", str(out), "--json"])
    assert compared.exit_code == 0, compared.output
    assert json.loads(compared.stdout)[0]["photos"]["low"] <= 1


def started(dataset: Dataset, experiment: Experiment, folder: Path) -> Run:
    run = Run(folder)
    run.folder.mkdir()
    start_run(run, dataset, experiment, resume=False)
    fill_view_store(run, lambda event: None)
    return run


def test_weights_reach_the_loss(shop, experiment, tmp_path):
    """A photo with weight 0 does not train; the others train as if it were not there."""
    dataset = open_dataset(shop, on_unknown_value="unknown")
    weights = np.where(np.arange(24) < 12, 0.0, 1.0)
    run = started(replace(dataset, weights=weights), experiment, tmp_path / "run")
    trainer = Trainer(run, seed=0)
    views, labels, given = next(iter(trainer._training_batches(np.arange(24), 0)))
    assert len(given) == 24
    logits = trainer.model(views, training=False)
    of_batch = trainer._loss(np.arange(24))
    loss = float(of_batch(labels, logits, sample_weight=given))
    kept = given.numpy() == 1
    assert kept.sum() == 12
    alone = float(of_batch(labels.numpy()[kept], logits.numpy()[kept]))
    assert loss == pytest.approx(alone * 12 / 24, rel=1e-5)
    scored = next(iter(trainer._batches(np.arange(24), trainer._labelled)))
    assert len(scored) == 2  # scores are not weighted


def test_without_weights_nothing_changes(shop, experiment, tmp_path):
    dataset = replace(open_dataset(shop, on_unknown_value="unknown"), weights=None, groups=None)
    run = started(dataset, experiment, tmp_path / "run")
    assert set(run.read("dataset.json")) == {"photos"}
    assert (run.groups, run.weights, run.split) == (None, None, None)
    assert len(next(iter(Trainer(run, seed=0)._training_batches(np.arange(24), 0)))) == 2


@pytest.mark.usefixtures("tasks_here")
def test_an_official_split_is_tested_once(shop, experiment, tmp_path):
    """`cv --split`: the test rows are the only fold, the val rows select the epoch, scores are over the test rows."""
    dataset = replace(open_dataset(shop, on_unknown_value="unknown"), weights=None, groups=None)
    split = np.array(["train"] * 13 + ["val"] * 3 + ["test"] * 8)
    experiment = replace(experiment, split=True)
    with pytest.raises(InputError, match="no official split"):
        cross_validate(dataset, experiment, tmp_path / "none")
    summary = cross_validate(replace(dataset, split=split), experiment, tmp_path / "run")
    run = Run(tmp_path / "run")
    assert [rows.tolist() for rows in run.folds] == [list(range(16, 24))]
    assert (run.split.tolist(), summary["photos"], summary["macc"]["std"]) == (split.tolist(), 8, None)
    with np.load(run.folder / "fold-00" / "predictions.npz") as file:
        saved = dict(file)
    predicted, labels = dataset.schema.predict(saved["logits"]), dataset.labels[16:]
    for i, name in enumerate(dataset.schema.names):
        known = labels[:, i] >= 0
        assert summary["attributes"][name]["known"] == known.sum()
        assert summary["attributes"][name]["accuracy"] == pytest.approx((predicted == labels)[known, i].mean())
        train = dataset.labels[:16, i]
        majority = np.bincount(train[train >= 0]).argmax()
        assert summary["attributes"][name]["majority"] == pytest.approx((labels[known, i] == majority).mean())
    compared = CliRunner().invoke(main, ["compare", str(run.folder)])
    assert compared.exit_code == 0, compared.output
    assert "Only one fold has known labels" in compared.stdout


def test_the_official_validation_photos_select_the_epoch(shop):
    dataset = open_dataset(shop, on_unknown_value="unknown")
    split = np.array(["train"] * 13 + ["val"] * 3 + ["test"] * 8)
    train, validation = inner_split(dataset.labels, dataset.schema, np.arange(16), seed=0, split=split)
    assert (train.tolist(), validation.tolist()) == (list(range(13)), [13, 14, 15])
    with pytest.raises(InputError, match="group 'P1' in training and test"):
        official_test(np.array(["train"] * 5 + ["test"] * 19), dataset.groups)
    with pytest.raises(InputError, match="no test photos"):
        official_test(np.array(["train"] * 24), None)


@pytest.mark.usefixtures("tasks_here")
def test_a_fold_whose_training_photos_all_weigh_nothing_is_refused(shop, experiment, tmp_path):
    """Nothing would be learnt, and the scores would be those of random weights."""
    heading, *rows = shop.with_name("t.csv").read_text().splitlines()
    light = [row if ";P0;" in row else row.rpartition(";")[0] + ";0" for row in rows]
    shop.with_name("t.csv").write_text("\n".join([heading, *light]).replace("bleu", "blue").replace(";0.0", ";1"))
    with pytest.raises(InputError, match=r"fold-0\d: all of its training photos with a known label have the weight 0"):
        cross_validate(open_dataset(shop), experiment, tmp_path / "run")
