import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from keras_sister.evaluation.paired import bootstrap_macc, corrected_t_test, holm, shown_p, sign_test
from keras_sister.evaluation.scores import accuracies, macc
from keras_sister.schema import DCSA

RNG = np.random.default_rng(0)


def test_without_overlap_the_corrected_test_is_the_paired_t_test():
    first, second = RNG.normal(0.9, 0.01, 16), RNG.normal(0.91, 0.01, 16)
    expected = stats.ttest_rel(second, first)
    found = corrected_t_test(second - first, test_share=0.0)
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_overlap_widens_the_interval_by_nadeau_and_bengios_factor():
    differences = RNG.normal(0.01, 0.01, 16)
    plain, corrected = (corrected_t_test(differences, test_share=share) for share in (0.0, 1 / 15))
    factor = np.sqrt((1 / 16 + 1 / 15) / (1 / 16))
    assert corrected.high - corrected.estimate == pytest.approx(factor * (plain.high - plain.estimate))
    assert corrected.p > plain.p


@pytest.mark.parametrize(("value", "p"), [(0.0, 1.0), (0.01, 0.0)])
def test_equal_differences_leave_no_doubt(value, p):
    found = corrected_t_test(np.full(4, value), test_share=1 / 3)
    assert (found.estimate, found.low, found.high, found.p) == (value, value, value, p)


@pytest.mark.parametrize("photos", [5, 40, 300])
def test_sign_test_of_single_runs_is_mcnemars(photos):
    first, second = RNG.random(photos) < 0.8, RNG.random(photos) < 0.7
    table = [[(first & second).sum(), (first & ~second).sum()], [(~first & second).sum(), (~first & ~second).sum()]]
    assert sign_test(first, second) == pytest.approx(mcnemar(table, exact=True).pvalue)


def test_equal_classifiers_do_not_differ():
    right = RNG.random(30) < 0.5
    assert sign_test(right, right) == 1.0


def test_no_p_value_is_shown_as_zero():
    assert [shown_p(p) for p in (1.0, 0.0312, 0.001, 0.00099, 0.0)] == ["1.000", "0.031", "0.001", "< 0.001", "< 0.001"]


@pytest.mark.parametrize("tests", [1, 2, 26])
def test_holm_is_that_of_statsmodels(tests):
    p_values = RNG.random(tests) ** 3
    np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1])


@pytest.fixture
def answers():
    labels = np.stack([RNG.integers(-1, len(a.classes), 300) for a in DCSA], axis=1).astype(np.int8)
    wrong = np.where(labels == 0, 1, 0)
    first = np.where(RNG.random(labels.shape) < 0.75, labels, wrong)
    second = np.where(RNG.random(labels.shape) < 0.70, labels, wrong)
    return labels, first, second


def test_the_bootstraps_estimate_is_the_macc_difference(answers):
    labels, first, second = answers
    expected = macc(accuracies(DCSA, labels, first)) - macc(accuracies(DCSA, labels, second))
    found = bootstrap_macc(labels >= 0, first == labels, second == labels, resamples=500)
    assert found.estimate == pytest.approx(expected)
    assert found.low < found.estimate < found.high


def test_the_bootstraps_interval_is_that_of_scipy(answers):
    labels, first, second = answers

    def difference(rows: np.ndarray) -> float:
        return macc(accuracies(DCSA, labels[rows], first[rows])) - macc(accuracies(DCSA, labels[rows], second[rows]))

    expected = stats.bootstrap(
        (np.arange(300),), difference, vectorized=False, method="percentile", n_resamples=1500, rng=1
    ).confidence_interval
    found = bootstrap_macc(labels >= 0, first == labels, second == labels, resamples=4000)
    width = expected.high - expected.low
    assert found.low == pytest.approx(expected.low, abs=0.08 * width)
    assert found.high == pytest.approx(expected.high, abs=0.08 * width)


def test_the_bootstrap_does_not_depend_on_how_much_memory_it_takes(answers, monkeypatch):
    labels, first, second = answers
    found = bootstrap_macc(labels >= 0, first == labels, second == labels, resamples=500)
    monkeypatch.setattr("keras_sister.evaluation.paired._COUNTS_AT_ONCE", 7 * 300)
    assert bootstrap_macc(labels >= 0, first == labels, second == labels, resamples=500) == found


def test_unknown_labels_do_not_matter_to_the_bootstrap(answers):
    labels, first, second = answers
    known = labels >= 0
    found = bootstrap_macc(known, first == labels, second == labels, resamples=500)
    again = bootstrap_macc(known, (first == labels) | ~known, (second == labels) & known, resamples=500)
    assert found == again


def test_the_bootstrap_by_group_draws_whole_groups(answers):
    labels, first, second = answers
    groups = np.array([f"sku {i}" for i in RNG.integers(0, 60, 300)])
    members = [np.flatnonzero(groups == name) for name in np.unique(groups)]

    def difference(drawn: np.ndarray) -> float:
        rows = np.concatenate([members[i] for i in drawn])
        return macc(accuracies(DCSA, labels[rows], first[rows])) - macc(accuracies(DCSA, labels[rows], second[rows]))

    expected = stats.bootstrap(
        (np.arange(len(members)),), difference, vectorized=False, method="percentile", n_resamples=1500, rng=1
    ).confidence_interval
    found = bootstrap_macc(labels >= 0, first == labels, second == labels, groups=groups, resamples=4000)
    width = expected.high - expected.low
    assert found.low == pytest.approx(expected.low, abs=0.08 * width)
    assert found.high == pytest.approx(expected.high, abs=0.08 * width)
    assert found.estimate == bootstrap_macc(labels >= 0, first == labels, second == labels, resamples=9).estimate


def test_copies_of_a_photo_in_one_group_make_nothing_surer(answers):
    labels, first, second = answers
    once = bootstrap_macc(labels >= 0, first == labels, second == labels, resamples=500)
    copied = [np.repeat(x, 5, axis=0) for x in (labels >= 0, first == labels, second == labels)]
    grouped = bootstrap_macc(*copied, groups=np.repeat(np.arange(300), 5), resamples=500)
    assert (grouped.low, grouped.high) == pytest.approx((once.low, once.high))
    alone = bootstrap_macc(*copied, resamples=500)
    assert alone.high - alone.low < 0.6 * (once.high - once.low)
    right, other = (first == labels)[:, 0], (second == labels)[:, 0]
    p = sign_test(np.repeat(right, 5), np.repeat(other, 5), groups=np.repeat(np.arange(300), 5))
    assert p == sign_test(right, other)
