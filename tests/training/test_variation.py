import numpy as np
import tensorflow as tf

from keras_sister.segmentation.background_swap import background_of
from keras_sister.training.variation import vary_views

RNG = np.random.default_rng(0)
PHOTOS = RNG.integers(0, 255, (6, 32, 32, 3), dtype=np.uint8)  # no pixel is white
MASKS = np.zeros((6, 32, 32, 1), np.uint8)
MASKS[:5, 8:24, 10:20] = 255  # nobody in the last one
PERSON = MASKS >= 128
SEGMENTED = np.where(PERSON, PHOTOS, 254)
DRAWS = RNG.uniform(-1, 1, (6, 4)).astype("float32")


def varied(draws: np.ndarray = DRAWS, **shares: float) -> tuple[np.ndarray, np.ndarray]:
    def run(photos: tf.Tensor, segmented: tf.Tensor, masks: tf.Tensor) -> dict[str, tf.Tensor]:
        return vary_views({"photo": photos, "segmented": segmented}, {"photo": photos, "mask": masks}, draws, **shares)

    views = next(iter(tf.data.Dataset.from_tensors((PHOTOS, SEGMENTED, MASKS)).map(run)))
    return views["photo"].numpy(), views["segmented"].numpy()


def test_without_a_share_nothing_changes():
    photo, segmented = varied()
    np.testing.assert_array_equal(photo, PHOTOS)
    np.testing.assert_array_equal(segmented, SEGMENTED)


def test_a_view_is_dropped_in_its_share_of_the_photos_and_never_both():
    photo, segmented = varied(drop_view=0.6)
    chance, first = (DRAWS[:, 2] + 1) / 2 < 0.6, DRAWS[:, 3] < 0
    assert 0 < chance.sum() < 6
    no_photo, no_person = chance & first, chance & ~first
    np.testing.assert_array_equal((photo == 255).all(axis=(1, 2, 3)), no_photo)
    np.testing.assert_array_equal((segmented == 255).all(axis=(1, 2, 3)), no_person)
    np.testing.assert_array_equal(photo[~no_photo], PHOTOS[~no_photo])
    np.testing.assert_array_equal(segmented[~no_person], SEGMENTED[~no_person])


def test_the_person_stands_before_another_photo_of_the_batch():
    photo, segmented = varied(random_background=1.0)
    np.testing.assert_array_equal(segmented, SEGMENTED)
    np.testing.assert_array_equal(photo[5], PHOTOS[5])  # nobody there
    person = np.broadcast_to(PERSON, PHOTOS.shape)
    np.testing.assert_array_equal(photo[person], PHOTOS[person])
    order, behind = np.argsort(DRAWS[:, 1]), background_of(PHOTOS, MASKS).numpy()
    for row in range(5):
        expected = behind[order[row]] if order[row] != 5 else PHOTOS[row]  # the last photo gives its background to none
        np.testing.assert_array_equal(photo[row][~PERSON[row, ..., 0]], expected[~PERSON[row, ..., 0]])


def test_backgrounds_change_in_their_share_of_the_photos():
    photo, _ = varied(random_background=0.5)
    kept = DRAWS[:, 0] >= 0
    np.testing.assert_array_equal(photo[kept], PHOTOS[kept])
    whole, _ = varied(random_background=1.0)
    np.testing.assert_array_equal(photo[~kept], whole[~kept])
