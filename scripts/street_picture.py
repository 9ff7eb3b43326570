"""Draw docs/street.jpg: photos of `sister-keras data street`, and below each the person on white.

python scripts/street_picture.py docs/street.jpg
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from keras_sister.street import draw_photo

SEED, PHOTOS = 0, (3, 13, 7, 17, 12, 20, 18, 21)
WIDTH, HEIGHT = 150, 212


def main(out: Path) -> None:
    sheet = Image.new("RGB", (len(PHOTOS) * (WIDTH + 4) - 4, 2 * HEIGHT + 4), "white")
    for column, index in enumerate(PHOTOS):
        street = draw_photo(SEED, index)
        person_on_white = np.where(street.mask[..., None] > 0, street.photo, 255).astype(np.uint8)
        for row, picture in enumerate((street.photo, person_on_white)):
            sheet.paste(_cover(Image.fromarray(picture)), (column * (WIDTH + 4), row * (HEIGHT + 4)))
    sheet.save(out, quality=88)


def _cover(image: Image.Image) -> Image.Image:
    """Scale and crop to WIDTH × HEIGHT."""
    scale = max(WIDTH / image.width, HEIGHT / image.height)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    left = (image.width - WIDTH) // 2
    return image.crop((left, 0, left + WIDTH, HEIGHT))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
