import numpy as np
import pytest
from sklearn.metrics import accuracy_score, jaccard_score

from keras_sister.evaluation.mask_scores import MaskScores, boundary_f_score

RNG = np.random.default_rng(0)


def test_scores_over_photos_of_any_size_are_those_of_scikit_learn():
    pairs = [RNG.random((2, *size)) > 0.4 for size in ((9, 8), (20, 5), (7, 7))]
    scores = MaskScores(2, [1])
    for truth, found in pairs:
        scores.add(truth.astype(np.uint8), found.astype(np.uint8))
    truth, found = (np.concatenate([pair[i].ravel() for pair in pairs]) for i in (0, 1))
    result = scores.result()
    assert result["pixel_accuracy"] == pytest.approx(accuracy_score(truth, found))
    assert result["person_iou"] == pytest.approx(jaccard_score(truth, found))
    assert result["mean_iou"] == pytest.approx(jaccard_score(truth, found, average="macro"))
    assert result["boundary_f"] == pytest.approx(np.mean([boundary_f_score(*pair) for pair in pairs]))


def test_scores_of_many_classes_leave_out_void_and_what_is_nowhere():
    truth, found = RNG.integers(0, 5, (2, 30, 20)).astype(np.uint8)
    truth[RNG.random(truth.shape) < 0.2] = 255
    truth[truth == 3] = 255
    found[found == 3] = 2
    scores = MaskScores(6, [2, 4])
    scores.add(truth, found)
    known = truth != 255
    result = scores.result()
    assert result["pixel_accuracy"] == pytest.approx(accuracy_score(truth[known], found[known]))
    assert result["mean_iou"] == pytest.approx(jaccard_score(truth[known], found[known], average="macro"))
    person = [np.isin(labels[known], [2, 4]) for labels in (truth, found)]
    assert result["person_iou"] == pytest.approx(jaccard_score(*person))


def test_nobody_in_either_mask_is_right():
    nobody = np.zeros((4, 4), np.uint8)
    scores = MaskScores(2, [1])
    scores.add(nobody, nobody)
    assert scores.result() == {"pixel_accuracy": 1, "person_iou": 1, "mean_iou": 1, "boundary_f": 1}


def boundary(mask: np.ndarray) -> np.ndarray:
    """Pixels of the mask beside a pixel outside of it, up, down, left or right, spelled out."""
    rows, columns = mask.shape
    found = []
    for y, x in np.argwhere(mask):
        beside = [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
        if any(0 <= b < rows and 0 <= a < columns and not mask[b, a] for b, a in beside):
            found.append((y, x))
    return np.array(found)


def test_boundary_score_is_its_definition():
    truth, found = np.zeros((2, 100, 120), bool)
    truth[20:80, 30:90] = True
    found[22:80, 31:97] = True
    reach = 2  # 0.008 of a diagonal of 156 pixels, rounded up
    ours, theirs = boundary(found), boundary(truth)
    distances = np.sqrt(((ours[:, None] - theirs[None]) ** 2).sum(axis=-1))
    precision, recall = (distances.min(axis=1) <= reach).mean(), (distances.min(axis=0) <= reach).mean()
    assert 0.5 < precision < 0.95
    assert boundary_f_score(truth, found) == pytest.approx(2 * precision * recall / (precision + recall))


def test_boundary_score_of_extremes():
    nobody, somebody = np.zeros((2, 50, 50), bool)
    somebody[10:20, 10:20] = True
    assert boundary_f_score(somebody, somebody) == 1
    assert boundary_f_score(somebody, nobody) == 0
    assert boundary_f_score(somebody, np.roll(somebody, 25, axis=0)) == 0
