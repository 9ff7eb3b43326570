import csv
import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from keras_sister.backbone_names import with_hash
from keras_sister.evaluation.paired import corrected_t_test
from keras_sister.reproduction.page import to_markdown
from keras_sister.reproduction.picture import draw_table
from keras_sister.reproduction.plan import TABLES, make_plan
from keras_sister.reproduction.results import to_csv

from .runs import dataset, results

SEGMENTERS = {"fcn8s-voc": "fcn", "deeplab-cfpd": "deeplab"}
FULL = dataset(1856)


def cells_of(markdown: str, label: str) -> list[str]:
    (line,) = [line for line in markdown.splitlines() if line.startswith(f"| {label} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_table_shows_our_numbers_beside_the_papers():
    plan = make_plan("twin", FULL, segmenters=SEGMENTERS)
    found = results(plan, FULL)
    page = to_markdown(found)
    maccs = 100 * found.predictions["twin-resnet101"].fold_maccs()
    assert cells_of(page, "") == ["", "Sister-A", "paper", "Symmetric twin", "paper"]
    row = cells_of(page, "resnet101")
    assert row[3:5] == [f"{maccs.mean():.2f} ± {maccs.std(ddof=1):.2f}", "91.59"]
    assert "not the paper's" not in page


def test_a_table_with_other_settings_says_so_and_omits_the_papers_numbers():
    plan = make_plan("twin", FULL, settings={"folds": 4}, segmenters=SEGMENTERS)
    page, table = (form(results(plan, FULL)) for form in (to_markdown, to_csv))
    assert "These are not the paper's settings, so its numbers are not comparable" in page
    assert "`folds` is 4 in every experiment; the paper uses 16." in page
    assert "91.73" not in page
    assert {row["paper"] for row in csv.DictReader(io.StringIO(table))} == {""}


def test_a_backbone_of_ones_own_is_shown_by_its_file_and_eight_digits(tmp_path):
    file = tmp_path / "mine.keras"
    file.write_bytes(b"a network")
    few = dataset(200)
    plan = make_plan("twin", few, settings={"backbone": with_hash(str(file))}, segmenters=SEGMENTERS)
    page = to_markdown(results(plan, few))
    assert f"mine.keras#{hashlib.sha256(b'a network').hexdigest()[:8]}" in page
    assert str(tmp_path) not in page


def test_differences_come_from_the_paired_tests():
    found = results(make_plan("table3", FULL, segmenters=SEGMENTERS), FULL)
    maccs = [found.predictions[cell.name].fold_maccs() for cell in found.plan.rows[0]]
    page = to_markdown(found)
    expected = corrected_t_test(maccs[2] - maccs[0], test_share=1 / 15)
    row = cells_of(page, "Element-wise gate (Add) (resnet50) − Baseline (resnet50)")
    assert row[1] == f"{100 * expected.estimate:+.2f} [{100 * expected.low:+.2f}, {100 * expected.high:+.2f}]"
    p_values = [corrected_t_test(m - maccs[0], test_share=1 / 15).p for m in maccs[1:]]
    smallest = int(np.argmin(p_values))
    assert found.adjusted()[smallest] == pytest.approx(min(1, 3 * p_values[smallest]))


def test_every_system_is_compared_with_the_first():
    few = dataset(200)
    found = results(make_plan("systems", few, segmenters=SEGMENTERS), few)
    assert [c.second for c in found.comparisons] == [row[0].row for row in found.plan.rows[1:]]
    assert {c.first for c in found.comparisons} == {"baseline"}


def test_figures_show_accuracies():
    found = results(make_plan("figure4", FULL, segmenters=SEGMENTERS), FULL)
    expected = [f"{100 * found.predictions[cell.name].accuracies()['neckline']:.2f}" for cell in found.plan.rows[0]]
    page = to_markdown(found)
    assert cells_of(page, "neckline")[1:4] == expected
    assert "without numbers" in page
    rows = list(csv.DictReader(io.StringIO(to_csv(found))))
    shown = [row["ours"] for row in rows if row["score"] == "accuracy of neckline"]
    assert [f"{float(number):.2f}" for number in shown] == expected


@pytest.mark.parametrize("table", TABLES)
def test_every_table_has_a_picture(table, tmp_path):
    draw_table(results(make_plan(table, FULL, segmenters=SEGMENTERS), FULL), tmp_path / "table.png")
    with Image.open(tmp_path / "table.png") as picture:
        colors = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    assert len(np.unique(colors, axis=0)) > 20
    assert (colors != 255).any(axis=1).mean() > 0.01
