"""Draw docs/heat-maps.jpg: where both towers of a model look, on a real photo and on synthetic ones.

python scripts/heat_maps_picture.py tagged-photo/final docs/heat-maps.jpg

scripts/tagged_photo.sh trains the model in tagged-photo/final. The real photo is that of Grace Hopper in matplotlib's
sample data, a work of the US Navy and in the public domain. The synthetic ones are of `sister-keras data street`, of
another seed than those that the model was trained on.
"""

import sys
import tempfile
from pathlib import Path

import matplotlib.cbook
from PIL import Image

from keras_sister.explanation.explain import draw_photo as draw_explained
from keras_sister.explanation.source import preprocessor_for
from keras_sister.models.saved import load_model
from keras_sister.street import draw_photo

SEED = 7
STREET = ((11, "placket"), (9, "neckline"))
"""Index of a synthetic photo, and the attribute that is explained."""


def main(run: Path, out: Path) -> None:
    model = load_model(run / "model.keras", compile=False)
    preprocessor = preprocessor_for(run, model, None)
    hopper = Path(str(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))
    with tempfile.TemporaryDirectory() as folder:
        explained = [(hopper, "category")]
        for index, attribute in STREET:
            photo = Path(folder) / f"street-{index}.png"
            Image.fromarray(draw_photo(SEED, index).photo).save(photo)
            explained.append((photo, attribute))
        pictures = [
            draw_explained(model, preprocessor.load([photo]), photo, attribute=attribute)[1]
            for photo, attribute in explained
        ]
    sheet = Image.new("RGB", (sum(picture.width for picture in pictures), max(p.height for p in pictures)), "white")
    left = 0
    for picture in pictures:
        sheet.paste(picture, (left, 0))
        left += picture.width
    sheet.thumbnail((1400, 1400), Image.Resampling.LANCZOS)
    sheet.save(out, quality=85)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
