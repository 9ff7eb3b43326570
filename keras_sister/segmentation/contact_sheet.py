"""A contact sheet of segmented photos: photo, mask, and the person on white and on black."""

import textwrap
from collections.abc import Sequence

import keras
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_sister.segmentation.compositing import composite
from keras_sister.segmentation.segmented_photo import SegmentedPhoto, UnreadablePhoto

_BOX = 180  # largest height and width of a picture, in pixels
_GAP = 8
_CAPTION = 20
_FAULTY = (250, 225, 225)
_LINE = 80  # letters of a line that explains an unreadable photo
_TINT = np.array((255, 0, 90), np.float32)


def contact_sheet(photos: Sequence[SegmentedPhoto | UnreadablePhoto]) -> Image.Image:
    """Draw photos with their masks, one photo per line, or two from five photos on.

    Args:
        photos: at least one.

    Returns:
        An RGB picture: for each photo its file name and share of person pixels, the photo, the photo with its mask
        tinted, and the person on white and on black; for an unreadable one the reason.
    """
    columns = 1 if len(photos) < 5 else 2
    width, height = 4 * (_BOX + _GAP) + _GAP, _BOX + _CAPTION + _GAP
    rows = -(-len(photos) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height + _GAP), (236, 236, 236))
    draw = ImageDraw.Draw(sheet)
    for i, photo in enumerate(photos):
        left, top = (i % columns) * width + _GAP, (i // columns) * height + _GAP
        draw.text((left, top), _caption(photo), fill=(20, 20, 20), font=ImageFont.load_default(13))
        if isinstance(photo, UnreadablePhoto):
            draw.rectangle((left, top + _CAPTION, left + 4 * _BOX + 3 * _GAP, top + _CAPTION + _BOX), fill=_FAULTY)
            reason = "\n".join(textwrap.wrap(photo.error.removeprefix(f"{photo.path}: "), _LINE))
            place = (left + _GAP, top + _CAPTION + _GAP)
            draw.text(place, reason, fill=(120, 0, 0), font=ImageFont.load_default(16))
            continue
        for j, picture in enumerate(_pictures(photo)):
            picture.thumbnail((_BOX, _BOX))
            sheet.paste(picture, (left + j * (_BOX + _GAP), top + _CAPTION))
    return sheet


def _caption(photo: SegmentedPhoto | UnreadablePhoto) -> str:
    if isinstance(photo, UnreadablePhoto):
        return f"{photo.path.name}: cannot be read"
    return f"{photo.path.name}: " + (f"{photo.person_share:.0%} person" if photo.person.any() else "no person found")


def _pictures(photo: SegmentedPhoto) -> list[Image.Image]:
    share = photo.mask.astype(np.float32) / 255 * 0.6
    tinted = photo.pixels * (1 - share) + _TINT * share
    on_plain = [composite(photo.pixels[None], photo.mask[None], background) for background in ("white", "black")]
    cut = [keras.ops.convert_to_numpy(images)[0] for images in on_plain]
    return [Image.fromarray(picture) for picture in (photo.pixels, np.round(tinted).astype(np.uint8), *cut)]
