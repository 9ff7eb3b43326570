import hashlib

import numpy as np
import pytest

from keras_sister.backbone_names import with_hash
from keras_sister.config import Experiment
from keras_sister.errors import InputError
from keras_sister.reproduction.plan import TABLES, make_plan

from .runs import dataset

FULL = dataset(1856)
SEGMENTERS = {"fcn8s-voc": "fcn", "deeplab-cfpd": "deeplab"}

# The paper's tables, row by row: MACC in %.
PAPER = {
    "table1": [[90.43, 90.45, 91.06]],
    "table2": [[91.40, 91.63, 91.62], [91.66, 91.73, 90.50], [91.65, 91.91, 90.97]],
    "table3": [[91.40, 90.12, 90.32, 90.43]],
    "twin": [[91.73, 91.59]],
}


@pytest.mark.parametrize("table", PAPER)
def test_the_papers_numbers_are_in_their_cells(table):
    plan = make_plan(table, FULL, segmenters=SEGMENTERS)
    assert [[cell.paper for cell in row] for row in plan.rows] == PAPER[table]
    assert plan.deviations == []


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_planned_with_the_papers_settings(table):
    plan = make_plan(table, FULL, segmenters=SEGMENTERS)
    for cell in plan.cells:
        e = cell.experiment
        assert (e.folds, e.size, e.learning_rate, e.weights, e.trainable) == (16, 224, 1e-5, "imagenet", "all")
        assert cell.name == f"{e.system}-{e.backbone}" or e.system == "segmented"


def test_settings_are_those_of_the_paper():
    cells = {c.name: c.experiment for table in PAPER for c in make_plan(table, FULL, segmenters=SEGMENTERS).cells}
    shared = {"weights": "imagenet", "epochs": 20}
    expected = {
        "segmented-v3-black": {"backbone": "resnet50", "batch_size": 64, "segmenter": "deeplab", "background": "black"},
        "segmented-v3-white": {"backbone": "resnet50", "batch_size": 64, "segmenter": "deeplab"},
        "segmented-fcn-white": {"backbone": "resnet50", "batch_size": 64, "segmenter": "fcn"},
        "baseline-resnet50": {"batch_size": 64},
        "baseline-resnet101": {"backbone": "resnet101", "batch_size": 32},
        "baseline-resnet152": {"backbone": "resnet152", "batch_size": 32},
        **{f"sister_{x}-resnet50": {"batch_size": 32, "segmenter": "fcn"} for x in "ab"},
        **{f"sister_{x}-resnet101": {"backbone": "resnet101", "batch_size": 32, "segmenter": "fcn"} for x in "ab"},
        **{f"sister_{x}-resnet152": {"backbone": "resnet152", "batch_size": 16, "segmenter": "fcn"} for x in "ab"},
        "twin-resnet101": {"backbone": "resnet101", "batch_size": 32, "segmenter": "fcn"},
        **{f"gate_{g}-resnet50": {"batch_size": 32, "segmenter": "fcn"} for g in ("single", "add", "concat")},
    }
    assert cells == {
        name: Experiment(system=name.partition("-")[0], **{**shared, **settings}) for name, settings in expected.items()
    }


def test_other_settings_are_deviations_and_omit_the_papers_numbers():
    settings = {"backbone": "resnet_mini", "folds": 4, "weights": "none", "edges": "soft"}
    plan = make_plan("table2", FULL, settings=settings, segmenters=SEGMENTERS)
    assert {cell.paper for cell in plan.cells} == {None}
    assert plan.deviations == [
        "`backbone` is resnet_mini in every experiment; the paper uses resnet50 or resnet101 or resnet152.",
        "`folds` is 4 in every experiment; the paper uses 16.",
        "`weights` is none in every experiment; the paper uses imagenet.",
        "`edges` is soft in every experiment; the paper uses hard.",
        "`person_backbone` is `backbone` in sister_a and sister_b, because sister_b needs two towers of the same width;"
        " the paper uses resnet50.",
    ]
    assert all(cell.experiment.folds == 4 for cell in plan.cells)
    # The rows would differ in their batch sizes only; the first remains.
    assert [[cell.experiment.batch_size for cell in row] for row in plan.rows] == [[64, 32, 32]]
    paper = {cell.name for cell in make_plan("table2", FULL, segmenters=SEGMENTERS).cells}
    assert not paper & {cell.name for cell in plan.cells}  # nor may they share its run folders


def test_frozen_towers_are_reproduced_with_the_learning_rate_of_heads():
    plan = make_plan("table2", FULL, settings={"trainable": "head"}, segmenters=SEGMENTERS)
    assert {cell.experiment.learning_rate for cell in plan.cells} == {1e-3}
    assert "`learning_rate` is 0.001 in every experiment; the paper uses 1e-05." in plan.deviations
    given = make_plan("table2", FULL, settings={"trainable": "head", "learning_rate": 0.01}, segmenters=SEGMENTERS)
    assert {cell.experiment.learning_rate for cell in given.cells} == {0.01}


def test_rows_that_become_equal_are_shown_once():
    plan = make_plan("table2", FULL, settings={"backbone": "resnet_mini", "batch_size": 8}, segmenters=SEGMENTERS)
    assert [[cell.row for cell in row] for row in plan.rows] == [["resnet_mini"] * 3]


def test_several_backbones_have_a_row_each(tmp_path):
    file = tmp_path / "mine.keras"
    file.write_bytes(b"a network")
    shown = f"mine.keras#{hashlib.sha256(b'a network').hexdigest()[:8]}"
    settings = {"backbone": ["resnet_mini", str(file)], "person_backbone": ("resnet_mini",), "weights": "none"}
    plan = make_plan("table2", FULL, settings=settings, segmenters=SEGMENTERS)
    assert [[cell.row for cell in row] for row in plan.rows] == [["resnet_mini"] * 3, [shown] * 3]
    assert plan.deviations[0] == (
        f"`backbone` is resnet_mini or {shown}; the paper uses resnet50 or resnet101 or resnet152."
    )
    for row, backbone in zip(plan.rows, ("resnet_mini", with_hash(str(file))), strict=True):
        assert [cell.experiment.system for cell in row] == ["baseline", "sister_a", "sister_b"]
        assert {(cell.experiment.backbone, cell.experiment.person_backbone) for cell in row} == {
            (backbone, "resnet_mini")
        }
    assert len(plan.cells) == 6

    pairs = {"backbone": ["resnet101", "resnet50"], "person_backbone": ["resnet50", "resnet101"]}
    row, other = make_plan("twin", FULL, settings=pairs, segmenters=SEGMENTERS).rows
    assert row[0].experiment.person_backbone == "resnet50"
    assert other[0].experiment.person_backbone == "resnet101"
    systems = make_plan("systems", FULL, settings=pairs, segmenters=SEGMENTERS)
    assert len(systems.rows) == 18
    assert systems.rows[0][0].row == "baseline (resnet101)"
    with pytest.raises(InputError, match=r"one for each backbone in the same order\. Received: 2 for 3"):
        make_plan("table2", FULL, settings={**pairs, "backbone": ["a", "b", "c"]}, segmenters=SEGMENTERS)
    with pytest.raises(InputError, match="figure4: shows one backbone; give --backbone once"):
        make_plan("figure4", FULL, settings=pairs, segmenters=SEGMENTERS)


def towers(plan) -> dict[str, set[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = {}
    for cell in plan.cells:
        experiment = cell.experiment
        found.setdefault(experiment.system, set()).add((experiment.backbone, experiment.person_backbone))
    return found


def test_the_towers_of_sister_b_are_equally_wide_whatever_the_backbone():
    """The paper's person tower, ResNet-50, is as wide as the paper's backbones only."""
    settings = {"backbone": ["resnet101", "efficientnet-lite0", "keras_hub:some_preset"]}
    plan = make_plan("table2", FULL, settings=settings, segmenters=SEGMENTERS)
    lite, preset = settings["backbone"][1:]
    assert towers(plan) == {
        "baseline": {("resnet101", "resnet50"), (lite, "resnet50"), (preset, "resnet50")},
        "sister_a": {("resnet101", "resnet50"), (lite, lite), (preset, preset)},
        "sister_b": {("resnet101", "resnet50"), (lite, lite), (preset, preset)},
    }
    # Where Sister-B is not beside them, others keep the person tower of the paper; the twin is another system than it.
    plan = make_plan("systems", FULL, settings={"backbone": lite}, segmenters=SEGMENTERS)
    assert towers(plan)["sister_b"] == {(lite, lite)}
    assert towers(plan)["sister_a"] == towers(plan)["gate_add"] == {(lite, "resnet50")}
    assert plan.deviations[-1].startswith("`person_backbone` is `backbone` in sister_b, because")
    plan = make_plan("twin", FULL, settings={"backbone": lite}, segmenters=SEGMENTERS)
    assert towers(plan)["sister_a"] == {(lite, "resnet50")}
    # A person tower that is given is used.
    settings = {"backbone": lite, "person_backbone": "efficientnet-lite1"}
    plan = make_plan("table2", FULL, settings=settings, segmenters=SEGMENTERS)
    assert towers(plan)["sister_b"] == {(lite, "efficientnet-lite1")}


def test_paths_and_seeds_are_not_deviations():
    settings = {"seed": 3, "weights": {"resnet50": "r50.h5"}, "segmenter": "masks:m", "folds": 16}
    plan = make_plan("table3", FULL, settings=settings)
    assert plan.deviations == []
    assert plan.rows[0][1].experiment.segmenter == "masks:m"
    assert plan.rows[0][0].experiment == Experiment(
        system="baseline", batch_size=64, seed=3, weights={"resnet50": "r50.h5"}
    )  # no masks


def test_one_segmenter_instead_of_two_is_a_deviation():
    plan = make_plan("table1", FULL, settings={"segmenter": "masks:m"})
    assert plan.deviations == ["`segmenter` is masks:m in every experiment; the paper uses deeplab-cfpd or fcn8s-voc."]
    assert len(plan.cells) == 2  # V3-White and FCN-White are the same now


def test_another_dataset_is_a_deviation():
    plan = make_plan("figure5", dataset(40), segmenters=SEGMENTERS)
    assert plan.deviations == ["The dataset is not DCSA with its 1,856 photos; it has 40 photos with 26 attributes."]
    assert plan.attributes == FULL.schema.names


@pytest.mark.parametrize(
    ("table", "more", "fault"),
    [
        ("table9", {}, "table must be one of table1"),
        ("table1", {"segmenters": {"fcn8s-voc": "fcn"}}, r"deeplab-cfpd \(DeepLab.*CFPD.*--segmenter"),
        ("table2", {"segmenters": SEGMENTERS, "settings": {"folds": 1}}, "folds must be"),
    ],
)
def test_invalid_plans_are_refused(table, more, fault):
    with pytest.raises(InputError, match=fault):
        make_plan(table, FULL, **more)


def test_a_figure_of_missing_attributes_is_refused():
    few = dataset(20)
    schema = type(few.schema)(few.schema.attributes[:5])
    with pytest.raises(InputError, match="Figure 4 shows the accuracy of category"):
        make_plan("figure4", type(few)(schema, few.photos, np.zeros((20, 5), np.int8)), segmenters=SEGMENTERS)
