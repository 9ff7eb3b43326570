import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cli.compare import _labels
from cli.main import main
from keras_sister.evaluation.summary import summarize

from ..run_folder import EXPERIMENT, note_all_checksums, write_run


def test_names_that_fit_are_the_headings():
    assert _labels(["majority", "baseline", "sister_a"], 80) == {n: n for n in ("majority", "baseline", "sister_a")}


def test_many_runs_stay_apart_at_80_columns():
    names = ["majority", *(f"runs/sister_a-resnet50-seed-{i}" for i in range(40))]
    labels = _labels(names, 80)
    assert list(labels) == names
    assert len(set(labels.values())) == 41
    assert max(map(len, labels.values())) <= 8


def test_one_fold_says_what_cannot_be_compared(tmp_path: Path):
    labels = np.random.default_rng(0).integers(0, 2, (30, 2))
    runs = [
        write_run(tmp_path / name, labels, experiment=replace(EXPERIMENT, folds=2, system=name)).folder
        for name in ("baseline", "segmented")
    ]
    labels[1::2] = -1  # as if only one of the folds had labels
    one_fold = [
        write_run(tmp_path / f"{run.name}-1", labels, experiment=replace(EXPERIMENT, folds=2, system=run.name)).folder
        for run in runs
    ]
    for command in (["compare"], ["report", "--out", str(tmp_path / "page.html")]):
        result = CliRunner().invoke(main, [*command, *map(str, one_fold)])
        assert result.exit_code == 0, result.output
        assert "nan" not in result.output
    for command in (["compare", *map(str, one_fold)], ["evaluate", str(one_fold[0])]):
        document = CliRunner().invoke(main, [*command, "--json"]).stdout
        assert json.loads(document, parse_constant=lambda name: pytest.fail(name))  # such as NaN
    compared = CliRunner().invoke(main, ["compare", *map(str, one_fold)]).output
    assert "Only one fold has known labels: the spread over folds cannot be compared." in " ".join(compared.split())
    assert "one fold: no spread" in (tmp_path / "page.html").read_text()
    whole = CliRunner().invoke(main, ["compare", *map(str, runs)]).output
    assert "cannot be compared" not in whole


def test_the_json_document_has_the_score_of_every_seed(tmp_path: Path):
    labels = np.random.default_rng(0).integers(0, 2, (30, 2))
    settings = [replace(EXPERIMENT, system=name, seed=seed) for name in ("baseline", "segmented") for seed in (3, 5)]
    runs = [write_run(tmp_path / f"{e.system}-{e.seed}", labels, experiment=e) for e in settings]
    with np.load(runs[1].fold(0).predictions) as saved:  # another score than that of the others
        np.savez(runs[1].fold(0).predictions, **{**saved, "logits": -saved["logits"]})
    note_all_checksums(runs[1])
    runs[1].write("summary.json", summarize(runs[1]))
    document = json.loads(CliRunner().invoke(main, ["compare", *(str(r.folder) for r in runs), "--json"]).stdout)
    maccs = [run.read("summary.json")["macc"]["mean"] for run in runs]
    assert [row["seed_maccs"] for row in document] == [maccs[:2], maccs[2:]]
    assert maccs[0] != maccs[1]
