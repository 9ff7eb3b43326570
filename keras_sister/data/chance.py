"""The chance of a training: the order of an epoch and the random numbers of its photos.

Both depend on (seed, epoch, row) alone and on no random state. Training that resumes at epoch 7, on any backend,
therefore sees exactly what uninterrupted training would have seen.
"""

import numpy as np

DRAWS = 9
"""Random numbers for a photo: five for `keras_sister.data.augment`, and four for what varies the views made from it."""


def epoch_order(seed: int, epoch: int, rows: np.ndarray) -> np.ndarray:
    """The rows in the order of an epoch, counted from 0."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


def random_draws(seed: int, epoch: int, rows: np.ndarray) -> np.ndarray:
    """Random numbers for a batch, from (seed, epoch, row) alone: equal in any order and after any restart.

    Args:
        seed: random seed of the training.
        epoch: counted from 0.
        rows: int array, shape (batch,): the photos.

    Returns:
        float32 array, shape (batch, DRAWS), uniform in [−1, 1): flip, shift down, shift right, brightness, contrast,
        and four more, see `keras_sister.training.variation`.
    """
    return np.stack([np.random.default_rng([seed, epoch, row]).uniform(-1, 1, DRAWS) for row in rows]).astype(
        np.float32
    )
