"""The page of a run: every number computed again from the run folder, and what a reader without a mouse gets."""

import base64
import csv
import io
import itertools
import json
import os
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from scipy.optimize import minimize_scalar
from scipy.special import expit, softmax
from sklearn import metrics
from statsmodels.stats.proportion import proportion_confint

from cli.main import main
from keras_sister.config import Experiment
from keras_sister.data.dcsa import load_dcsa
from keras_sister.errors import InputError
from keras_sister.evaluation.label_issues import write_issues
from keras_sister.evaluation.thresholds import Goal, write_thresholds
from keras_sister.report.content import _nobody as nobody_in
from keras_sister.report.content import photos_named
from keras_sister.report.issue_sheet import write_issue_sheet
from keras_sister.report.page import write_report
from keras_sister.report.robustness_section import robustness_rows
from keras_sister.run import Run
from keras_sister.schema import DCSA, Attribute, Schema
from keras_sister.training.fill_views import fill_view_store
from keras_sister.training.work_record import installed_versions, record_work

from ..evaluation.calibrated_run import write_calibrated_run
from ..run_folder import note_all_checksums, write_run
from .parsed_page import Element, parse, table

EXPERIMENT = Experiment(
    system="sister_a", backbone="resnet_mini", person_backbone="resnet_mini", weights="none", size=32, folds=3
)


@pytest.fixture(scope="module")
def run(dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """48 photos with masks; in two of them nobody is found. The logits are random."""
    folder = tmp_path_factory.mktemp("runs") / "sister"
    masks = tmp_path_factory.mktemp("masks")
    dataset = load_dcsa(dataset_folder)
    for number, file in enumerate(sorted((dataset_folder / "masks").iterdir())):
        with Image.open(file) as mask:
            (mask.point(lambda level: 0) if number in (4, 9) else mask).save(masks / file.name)
    experiment = replace(EXPERIMENT, segmenter=f"masks:{masks}")
    labels = dataset.labels.copy()
    labels[:, DCSA.names.index("scarf")] = -1  # an attribute that nobody labelled
    found = write_run(folder, labels, schema=DCSA, experiment=experiment, photos=dataset.photos)
    (folder / "views.json").unlink()
    fill_view_store(found, lambda event: None)
    note_all_checksums(found)
    for task, seconds in (("views", 3.2), ("fold-00", 131.0)):
        record_work(found, task, seconds, installed_versions())
    return found


@pytest.fixture(scope="module")
def page(run: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Element]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_SISTER_CACHE", str(tmp_path_factory.mktemp("cache")))  # the view pairs are made again
        result = CliRunner().invoke(main, ["report", str(run.folder)])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Page: {run.folder / 'report.html'}\n"
    html = (run.folder / "report.html").read_text()
    return html, parse(html)


@pytest.fixture(scope="module")
def truth(run: Run) -> dict:
    """Labels, probabilities of all classes and predicted classes, read from the files without our readers."""
    labels = np.array([photo["labels"] for photo in run.read("dataset.json")["photos"]])
    logits = np.zeros((len(labels), DCSA.n_logits), np.float32)
    for file in sorted(run.folder.glob("fold-*/predictions.npz")):
        with np.load(file) as saved:
            logits[saved["rows"]] = saved["logits"]
    classes, start = [], 0
    for attribute in DCSA:
        columns = logits[:, start : start + attribute.n_logits]
        positive = expit(columns[:, 0])
        classes.append(np.stack([1 - positive, positive], 1) if attribute.is_binary else softmax(columns, axis=1))
        start += attribute.n_logits
    return {"labels": labels, "classes": classes, "predicted": np.stack([c.argmax(axis=1) for c in classes], 1)}


def accuracy(truth: dict, column: int, rows: np.ndarray | slice = slice(None)) -> float | None:
    labels, predicted = truth["labels"][rows, column], truth["predicted"][rows, column]
    known = labels >= 0
    return metrics.accuracy_score(labels[known], predicted[known]) if known.any() else None


def macc(truth: dict, rows: np.ndarray | slice = slice(None)) -> float:
    return float(np.mean([a for i in range(len(DCSA)) if (a := accuracy(truth, i, rows)) is not None]))


def majority(truth: dict, folds: list[list[int]], column: int) -> np.ndarray:
    """Whether the most frequent class of the other folds is right, by photo."""
    labels, right = truth["labels"][:, column], np.zeros(len(truth["labels"]), bool)
    for rows in folds:
        others = np.delete(labels, rows)
        right[rows] = labels[rows] == np.bincount(others[others >= 0], minlength=1).argmax()
    return right


def percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f}"


def test_headline(run, page, truth):
    folds = run.read("folds.json")
    big = [box.text for box in page[1].all("p") if box.class_name == "big"]
    ours = [macc(truth, np.array(rows)) for rows in folds]
    assert big[0].startswith(f"{percent(np.mean(ours), 2)} % ± {percent(np.std(ours, ddof=1), 2)} MACC")
    low, high = run.read("summary.json")["macc"]["interval"]
    assert big[1].startswith(f"{percent(macc(truth), 2)} % over all 48 photos, 95 % interval {percent(low, 2)} to")
    assert percent(high, 2) in big[1]
    known = [i for i in range(len(DCSA)) if (truth["labels"][:, i] >= 0).any()]
    constant = []
    for rows in folds:
        right = {i: majority(truth, folds, i)[rows][truth["labels"][rows, i] >= 0] for i in known}
        constant.append(np.mean([r.mean() for r in right.values()]))
    assert big[2].startswith(f"{percent(np.mean(constant), 2)} % ± {percent(np.std(constant, ddof=1), 2)}")
    gain = np.mean(ours) - np.mean(constant)
    assert f"{percent(abs(gain), 2)} points {'above' if gain >= 0 else 'below'} it" in big[2]


def test_accuracy_of_every_attribute(run, page, truth):
    shown, folds = table(page[1], "Accuracy, %"), run.read("folds.json")
    assert list(shown) == DCSA.names
    for i, name in enumerate(DCSA.names):
        known = truth["labels"][:, i] >= 0
        if not known.any():
            assert shown[name] == ["", "–", "–––", "–"]
            continue
        hits = int((truth["labels"][known, i] == truth["predicted"][known, i]).sum())
        low, high = proportion_confint(hits, int(known.sum()), method="wilson")
        constant = majority(truth, folds, i)[known].mean()
        expected = [hits / known.sum(), low, high, constant]
        assert shown[name][1:] == [percent(expected[0]), f"{percent(low)}–{percent(high)}", percent(constant)]
    (bars,) = [t for t in page[1].all("table") if t.class_name == "bars"]
    widths = [float(e.attributes["style"][6:-1]) for e in bars.all("span") if e.class_name == "fill"]
    assert widths == pytest.approx([100 * a for i in range(26) if (a := accuracy(truth, i)) is not None], abs=0.01)


def test_further_scores(page, truth):
    shown = table(page[1], "Further scores")
    all_balanced, all_f1, all_precisions, targets, found = [], [], [], [], []
    for i, attribute in enumerate(DCSA):
        labels, predicted = truth["labels"][:, i], truth["predicted"][:, i]
        k = labels >= 0
        if not k.any():
            assert shown[attribute.name] == ["0", "48", "–", "–", "–"]
            continue
        positives = [1] if attribute.is_binary else list(range(len(attribute.classes)))
        f1 = metrics.f1_score(labels[k], predicted[k], labels=positives, average=None, zero_division=0)
        precisions = [
            metrics.average_precision_score(labels[k] == c, truth["classes"][i][k, c])
            for c in positives
            if (labels == c).any()
        ]
        balanced = np.mean([(predicted[labels == c] == c).mean() for c in np.unique(labels[k])])
        scores = [balanced, f1.mean(), np.mean(precisions)]
        all_balanced, all_f1, all_precisions = [*all_balanced, balanced], [*all_f1, *f1], [*all_precisions, *precisions]
        targets += [k & (labels == c) for c in positives]
        found += [k & (predicted == c) for c in positives]
        assert shown[attribute.name] == [str(k.sum()), str((~k).sum()), *map(percent, scores)]
    assert shown["mean"][:2] == [str((truth["labels"] >= 0).sum()), str((truth["labels"] < 0).sum())]
    assert shown["mean"][2:] == [percent(np.mean(all_scores)) for all_scores in (all_balanced, all_f1, all_precisions)]
    micro = metrics.f1_score(np.ravel(targets), np.ravel(found))
    by_photo = metrics.f1_score(np.transpose(targets), np.transpose(found), average="samples", zero_division=0)
    assert f"Micro F1 {percent(micro)}, F1 by photo {percent(by_photo)}, Hamming loss" in page[1].text


def test_confusion_and_classes(page, truth):
    classes = table(page[1], "Photos by class")
    for i, attribute in enumerate(DCSA):
        labels, predicted = truth["labels"][:, i], truth["predicted"][:, i]
        counts = np.bincount(labels[labels >= 0], minlength=len(attribute.classes))
        expected = " ".join(f"{c} {n}" for c, n in zip(attribute.classes, counts, strict=True))
        assert classes[attribute.name] == [expected, str((labels < 0).sum())]
        if counts.any():
            matrix = metrics.confusion_matrix(labels[labels >= 0], predicted[labels >= 0])
            shown = [t for t in page[1].all("table") if t.all("caption")[0].text == attribute.name]
            cells = [[int(cell.text) for cell in row.all("td")] for row in shown[0].all("tr")[1:]]
            assert cells == matrix.tolist()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_reliability(run, page, truth, moment):
    columns = [i for i in range(len(DCSA)) if (truth["labels"][:, i] >= 0).any()]
    captions = ((figure.all("figcaption")[0], figure) for figure in page[1].all("figure"))
    figures = {caption.text: f for caption, f in captions if f"rel-{moment}" in caption.attributes["id"]}
    assert len(figures) == len(DCSA) + 1
    pooled: list[tuple[float, bool]] = []
    for i in columns:
        k = truth["labels"][:, i] >= 0
        right = (truth["labels"][:, i] == truth["predicted"][:, i])[k]
        classes = (
            truth["classes"][i] if moment == "before" else calibrated(run, truth["labels"][:, i], truth["classes"][i])
        )
        pairs = list(zip(classes[k].max(axis=1), right, strict=True))
        pooled += pairs
        assert error_of(pairs) in figures[DCSA.names[i]].text
    assert error_of(pooled) in figures["all attributes"].text
    assert "no known label" in figures["scarf"].text


def calibrated(run: Run, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The probabilities of each fold, with the temperature that fits the other folds' labels, and its prior, best."""
    found = np.zeros(classes.shape)
    for rows in run.read("folds.json"):
        others = np.setdiff1d(np.flatnonzero(labels >= 0), rows)

        def loss(log_temperature: float, others: np.ndarray = others) -> float:
            probabilities = softmax(np.log(classes[others]) / np.exp(log_temperature), axis=1)
            return -np.log(probabilities[np.arange(len(others)), labels[others]]).sum() + log_temperature**2 / 2

        best = minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-8}).x
        found[rows] = softmax(np.log(classes[rows]) / np.exp(best), axis=1)
    return found


@pytest.mark.parametrize("goal", [Goal("precision", 0.8), Goal("f1")], ids=lambda goal: goal.name)
def test_thresholds_are_those_of_the_file(tmp_path, goal):
    found = write_calibrated_run(tmp_path / "calibrated")
    content = write_thresholds(found, goal)
    write_report([found.folder], tmp_path / "page.html")
    html = parse((tmp_path / "page.html").read_text())
    rules, scores = table(html, "Rules"), table(html, "Scores on unseen folds")
    for name, rule in content["attributes"].items():
        assert rules[name][:3] == [
            str(rule["known"]),
            f"{rule['temperature']:.2f}",
            percent(rule["threshold"]) if rule["threshold"] else "–",
        ]
        unseen, plain = rule["unseen"], rule["unseen"]["plain"]
        shown = (
            [unseen["coverage"], unseen["accuracy"]]
            if goal.precision
            else [plain["accuracy"], unseen["accuracy"], plain["f1"], unseen["f1"]]
        )
        shown = [unseen["error_before"], unseen["error_after"], *shown]
        assert scores[name] == ["–" if value is None else percent(value) for value in shown]
    if goal.precision:
        assert "Undecided, because the precision cannot be reached: gender." in html.text
        assert "male never female never" in rules["gender"][3]
    (found.folder / "thresholds.json").write_text('{"goal": "f1"}')
    with pytest.raises(InputError, match=r"thresholds\.json"):
        write_report([found.folder], tmp_path / "page.html")


def error_of(pairs: list[tuple[float, bool]]) -> str:
    """Expected calibration error, by the definition."""
    bins: dict[int, list] = {}
    for probability, right in pairs:
        bins.setdefault(min(int(probability * 10), 9), []).append((probability, right))
    gap = sum(abs(sum(r for _, r in of) - sum(p for p, _ in of)) for of in bins.values())
    return f"calibration error {100 * gap / len(pairs):.1f} %"


def test_folds_curves_and_time(run, page, truth):
    shown, folds = table(page[1], "Folds"), run.read("folds.json")
    for number, rows in enumerate(folds):
        assert shown[str(number)][:2] == [str(len(rows)), percent(macc(truth, np.array(rows)), 2)]
        assert shown[str(number)][3] == str(run.read(f"fold-{number:02d}/history.json")["best_epoch"] + 1)
    loss = next(f for f in page[1].all("figure") if f.all("figcaption")[0].text == "Loss")
    history = run.read("fold-00/history.json")["epochs"]
    assert (
        f"Validation: from {history[0]['val_loss']:.2f} in the first epoch to {history[-1]['val_loss']:.2f}"
        in loss.text
    )
    lines = [e.attributes for e in loss.all("polyline")]
    assert [line["class"] for line in lines] == ["train"] * 3 + ["val"] * 3
    zero, one = (float(t.attributes["y"]) - 4 for t in loss.all("text") if t.text in ("0.0", "1.0"))
    heights = [float(point.split(",")[1]) for point in lines[3]["points"].split()]
    expected = [zero + epoch["val_loss"] * (one - zero) for epoch in history]
    assert heights == pytest.approx(expected, abs=0.11)
    work = table(page[1], "Completed tasks")
    assert work == {"views": ["3 s"], "fold-00": ["2 min"], "together": ["2 min"]}
    assert f"numpy {np.__version__}" in page[1].text
    settings = table(page[1], "Settings")
    assert (settings["seed"], settings["system"]) == (["0"], ["sister_a"])


def cards(page: Element, heading: str) -> list[Element]:
    (section,) = [s for s in page.all("section") if s.all("h3") and s.all("h3")[0].text == heading]
    return section.all("li")


def test_the_most_certain_mistakes_with_both_views(run, page, truth):
    wrong = [
        (truth["classes"][i][row, truth["predicted"][row, i]], row, i)
        for row, i in itertools.product(range(48), range(len(DCSA)))
        if truth["labels"][row, i] not in (-1, truth["predicted"][row, i])
    ]
    worst = sorted(wrong, key=lambda found: -found[0])[:24]
    shown = cards(page[1], "Mistakes with the highest probability")
    assert len(shown) == len(worst)
    for card, (probability, row, i) in zip(shown, worst, strict=True):
        names = DCSA.attributes[i].classes
        facts = [fact.text for fact in card.all("dd")]
        label, prediction = names[truth["labels"][row, i]], names[truth["predicted"][row, i]]
        assert facts == [DCSA.names[i], label, prediction, f"{100 * probability:.1f} %"]
        assert card.all("p")[0].text == run.photos[row].name
        photo, person = [np.asarray(opened(image), np.float64) for image in card.all("img")]
        with Image.open(run.photos[row]) as original:
            expected = np.asarray(original.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR), np.float64)
        assert np.abs(photo - expected).mean() < 12
        if row not in (4, 9):
            assert person[0].mean() > 245 > 215 > photo[0].mean()  # on white
            assert np.abs(person - photo).mean() > 20


def opened(image: Element) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(image.attributes["src"].removeprefix("data:image/jpeg;base64,"))))


def test_photos_in_which_nobody_was_found(page):
    shown = cards(page[1], "Photos in which nobody was found")
    assert [card.all("p")[0].text for card in shown] == ["000005.jpg", "000010.jpg"]
    assert "2 of 48 photos" in page[1].text


def test_photos_without_a_person_are_noted_as_rows_and_once_were_by_name(run):
    for noted in ([4, 9], ["000005.jpg", "000010.jpg"]):
        assert nobody_in(run, noted) == ["000005.jpg", "000010.jpg"]
    assert nobody_in(run, None) is None
    for damaged in ([48], [-1], [True], [[4]], [None], ["none.jpg"], "000005.jpg", 4):
        with pytest.raises(InputError, match=r"views\.json: not the file of a run"):
            nobody_in(run, damaged)


def test_nothing_is_loaded_from_elsewhere(page):
    html, document = page
    for element in document.all():
        for name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
            value = element.attributes.get(name, "#")
            assert value.startswith(("#", "data:")), f"<{element.tag} {name}={value[:80]}>"
    assert not document.all("script", "iframe", "object", "embed", "base", "form")
    assert not re.search(r"https?:|url\(|@import|\bon\w+=", html)
    assert "default-src 'none'" in html


def test_a_screen_reader_finds_its_way(page):
    document = page[1]
    assert document.all("html")[0].attributes["lang"] == "en"
    assert all(image.attributes.get("alt") for image in document.all("img"))
    for picture in document.all("svg"):
        assert picture.attributes.get("role") == "img" or picture.attributes.get("aria-hidden") == "true"
    assert all(t.all("caption") and t.all("th") for t in document.all("table"))
    levels = [int(h.tag[1]) for h in document.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    ids = [e.attributes["id"] for e in document.all() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    named = [e.attributes.get(key, "") for e in document.all() for key in ("aria-labelledby",)]
    links = [a.attributes["href"][1:] for a in document.all("a")]
    assert set(links) | {i for value in named for i in value.split()} <= set(ids)


def test_names_are_text_and_never_markup(tmp_path):
    schema = Schema(
        (Attribute("scarf", ("<script>alert(1)</script>", "a&b")), Attribute("many", tuple("abcdefghijklmn")))
    )
    rng = np.random.default_rng(1)
    labels = np.stack([rng.integers(0, 2, 40), rng.integers(0, 14, 40)], 1)
    run = write_run(tmp_path / "<b>bold", labels, schema=schema)
    (note,) = write_report([run.folder], tmp_path / "page.html")
    assert "the page shows no photos" in note  # they do not exist
    document = parse((tmp_path / "page.html").read_text())
    assert not document.all("script", "b")[1:]  # the one <b> is the template's
    assert document.all("h1")[0].text == "<b>bold"
    assert "<script>alert(1)</script>" in document.text
    assert "The photos cannot be shown: " in document.text
    assert note.split(": ")[-1] in document.text
    pairs = table(document, "many (14 classes)")
    assert 1 <= len(pairs) <= 14


def test_a_folder_in_bytes_that_are_no_utf_8_and_damaged_notes(tmp_path):
    run = write_run(tmp_path / os.fsdecode(b"caf\xe9"), np.array([[0, 1], [1, 2], [0, 0], [1, -1], [0, 1], [1, 0]]))
    write_report([run.folder], tmp_path / "page.html")
    assert "caf\\xe9" in parse((tmp_path / "page.html").read_text()).all("h1")[0].text
    for damaged in (["a", 3], [{"task": "views", "seconds": 1e999, "versions": {}}], [{"task": "views"}], {"a": 1}):
        (run.folder / "work.json").write_text(json.dumps(damaged))
        with pytest.raises(InputError, match=r"work\.json"):
            write_report([run.folder], tmp_path / "page.html")


def test_intervals_by_group(tmp_path):
    rng = np.random.default_rng(2)
    labels, groups = rng.integers(0, 2, (60, 2)), np.repeat(np.arange(20).astype(str), 3)
    run = write_run(tmp_path / "grouped", labels, groups=groups)
    write_report([run.folder], tmp_path / "page.html")
    document = parse((tmp_path / "page.html").read_text())
    right = np.concatenate([np.load(f)["logits"] for f in sorted(run.folder.glob("fold-*/*.npz"))])[:, 0] >= 0
    rows = np.concatenate(run.read("folds.json"))
    hits = np.bincount(groups.astype(int)[rows], (labels[rows, 0] == right))
    drawn = hits[np.random.default_rng(5).integers(0, 20, (20_000, 20))].sum(axis=1) / 60
    low, high = map(float, table(document, "Accuracy, %")["scarf"][2].split("–"))
    assert [low, high] == pytest.approx(100 * np.percentile(drawn, [2.5, 97.5]), abs=2)
    assert "in 20 groups" in document.text


def test_runs_beside_each_other(run, tmp_path):
    labels = run.labels
    experiment = run.experiment
    other = write_run(
        tmp_path / "other",
        labels,
        schema=DCSA,
        experiment=replace(experiment, learning_rate=1e-3),
        photos=tuple(run.photos),
    )
    (other.folder / "views.json").write_text((run.folder / "views.json").read_text())
    for number in range(3):
        saved = dict(np.load(other.fold(number).predictions))
        np.savez(other.fold(number).predictions, **{**saved, "logits": -saved["logits"]})
    note_all_checksums(other)
    (other.folder / "summary.json").unlink()
    from keras_sister.evaluation.summary import summarize

    other.write("summary.json", summarize(other))
    arguments = ["report", str(run.folder), str(other.folder), "--out", str(tmp_path / "both.html")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    document = parse((tmp_path / "both.html").read_text())
    scores = table(document, "MACC of each run")
    for name, of in (("sister", run), ("other", other)):
        found = of.read("summary.json")["macc"]
        assert scores[name][:3] == [
            "sister_a",
            f"{percent(found['mean'], 2)} ± {percent(found['std'], 2)}",
            percent(found["pooled"], 2),
        ]
    (difference,) = table(document, "Difference of MACC").items()
    assert difference[0] == "other − sister"
    expected = other.read("summary.json")["macc"]["mean"] - run.read("summary.json")["macc"]["mean"]
    assert difference[1][0].startswith(f"{100 * expected:+.2f} [")
    by_attribute = table(document, "Accuracy by attribute")
    assert by_attribute["collar"][1].endswith(percent(other.read("summary.json")["attributes"]["collar"]["accuracy"]))
    stranger = write_run(tmp_path / "stranger", np.zeros((48, 2)))
    with pytest.raises(InputError, match="schema differs"):
        write_report([run.folder, stranger.folder], tmp_path / "no.html")
    assert not (tmp_path / "no.html").exists()


def test_robustness_is_shown_where_it_was_measured():
    macc = {"mean": 0.7, "std": 0.01, "pooled": 0.7, "interval": [0.68, 0.72]}
    scores = {"photos": 9, "macc": macc, "unchanged": 0.72, "change": {"estimate": -0.02, "interval": [-0.03, -0.01]}}
    summary = {"robustness": {"background_swap": scores, "masks": {"eroded": None}}}
    assert robustness_rows(summary) == [
        {"name": "other background", "scores": scores},
        {"name": "mask too small", "scores": None},
    ]
    assert robustness_rows({"macc": {}}) == []


def test_the_page_of_2000_photos_is_small(tmp_path):
    labels = np.random.default_rng(0).integers(0, 2, (2000, len(DCSA)))
    run = write_run(tmp_path / "large", labels, schema=DCSA)
    write_report([run.folder], tmp_path / "page.html")
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (144, 144, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, format="JPEG", quality=80)  # no photo compresses worse
    pictures = 3 * 24 * 2 * len(base64.b64encode(buffer.getvalue()))
    assert (tmp_path / "page.html").stat().st_size + pictures < 5_000_000


def test_a_run_that_has_not_ended_is_refused(tmp_path):
    result = CliRunner().invoke(main, ["report", str(tmp_path)])
    assert result.exit_code == 1
    assert f"{tmp_path / 'schema.json'}: no such file" in result.stderr
    assert not (tmp_path / "report.html").exists()


def test_suspicious_labels_with_both_views_on_the_page_and_on_a_contact_sheet(run, truth, tmp_path):
    pytest.importorskip("cleanlab")
    issues = write_issues(run)
    with (run.folder / "issues.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    flagged = [row for row in rows if row["flagged"] == "yes"]
    assert len(flagged) > 60
    try:
        write_report([run.folder], tmp_path / "report.html")
    finally:
        (run.folder / "issues.csv").unlink()
    page = parse((tmp_path / "report.html").read_text())
    (section,) = [s for s in page.all("section") if s.all("h3")[0].text == "Suspicious labels"]
    assert f"{len(flagged):,} of {(truth['labels'] >= 0).sum():,} known labels" in section.text
    assert "#issues" in [link.attributes["href"] for link in page.all("a")]
    counts = Counter(row["attribute"] for row in flagged)
    assert sorted(e.text for e in section.all("span")) == sorted(f"{name} {n}" for name, n in counts.items())
    shown = section.all("li")
    assert len(shown) == 24
    for card, row in zip(shown, flagged, strict=False):
        i, number = DCSA.names.index(row["attribute"]), int(Path(row["photo"]).stem) - 1
        classes, probabilities = DCSA.attributes[i].classes, truth["classes"][i][number]
        assert card.all("p")[0].text == row["photo"]
        said = [
            f"{name} ({100 * probabilities[classes.index(name)]:.1f} %)" for name in (row["label"], row["suggested"])
        ]
        assert [fact.text for fact in card.all("dd")] == [row["attribute"], *said]
        assert row["suggested"] == classes[truth["predicted"][number, i]]
        assert len(card.all("img")) == 2

    assert write_issue_sheet(run, issues.flagged, tmp_path / "issues.jpg") == 60
    with Image.open(tmp_path / "issues.jpg") as sheet, Image.open(run.photos[issues[0].row]) as photo:
        first = np.asarray(sheet.crop((8, 8, 40, 40)), np.float64)
        expected = np.asarray(photo.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR), np.float64)
    assert np.abs(first - expected).mean() < 14
    assert write_issue_sheet(run, issues[:0], tmp_path / "issues.jpg") == 0
    assert not (tmp_path / "issues.jpg").exists()  # that of before would not be true


def test_photos_of_one_name_in_several_folders_are_not_confused():
    run = SimpleNamespace(photos=[Path("shop/a/front.jpg"), Path("shop/b/front.jpg"), Path("shop/b/back.jpg")])
    assert [found.row for found in photos_named(run, ["b/front.jpg", "b/back.jpg"])] == [1, 2]
    # What an earlier version noted may be either.
    assert [found.row for found in photos_named(run, ["front.jpg", "back.jpg"])] == [2]
