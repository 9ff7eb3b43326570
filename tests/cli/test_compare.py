from cli.compare import _labels


def test_names_that_fit_are_the_headings():
    assert _labels(["majority", "baseline", "sister_a"], 80) == {n: n for n in ("majority", "baseline", "sister_a")}


def test_many_runs_stay_apart_at_80_columns():
    names = ["majority", *(f"runs/sister_a-resnet50-seed-{i}" for i in range(40))]
    labels = _labels(names, 80)
    assert list(labels) == names
    assert len(set(labels.values())) == 41
    assert max(map(len, labels.values())) <= 8
