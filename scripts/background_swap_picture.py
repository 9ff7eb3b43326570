"""Draw docs/background-swap.jpg: a person as photographed, and in front of other photos' backgrounds.

python scripts/background_swap_picture.py docs/background-swap.jpg

The photos are synthetic, of `sister-keras data street`, with their true masks.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_sister import images
from keras_sister.segmentation.background_swap import background_of, swap_background
from keras_sister.street import draw_photo

SEED, PERSONS, BACKGROUNDS = 0, (3, 12), (13, 17, 20)
SIDE = 224


def main(out: Path) -> None:
    persons, backgrounds = [pair_of(index) for index in PERSONS], [pair_of(index) for index in BACKGROUNDS]
    rows = [[np.full((SIDE, SIDE, 3), 255, np.uint8), *(background_of(*pair).numpy()[0] for pair in backgrounds)]]
    for photo, mask in persons:
        rows.append([photo.numpy()[0], *(swap_background(photo, mask, *pair).numpy()[0] for pair in backgrounds)])
    Image.fromarray(np.concatenate([np.concatenate(row, axis=1) for row in rows])).save(out, quality=85)


def pair_of(index: int) -> tuple[tf.Tensor, tf.Tensor]:
    street = draw_photo(SEED, index)
    resized = images.resize(tf.constant(street.photo), SIDE)
    mask = images.to_masks(tf.constant(street.mask[..., None] / 255, tf.float32)[None], SIDE, SIDE)
    return resized[None], mask


if __name__ == "__main__":
    main(Path(sys.argv[1]))
