"""Draw docs/tagged.jpg: a photo, the person on white, and the predicted tags with their probabilities.

    python scripts/tagged_photo.py saved_models/sister_a docs/tagged.jpg

scripts/tagged_photo.sh trains and exports the model. The photo is that of Grace Hopper in matplotlib's sample data, a
work of the US Navy and in the public domain.
"""

import sys
from pathlib import Path

import matplotlib.cbook
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from keras_sister import Preprocessor, Schema, Tagger
from keras_sister.segmentation.segmented_photo import segment_photo
from keras_sister.serving.predictions import Tag

INK, QUIET, BAR, TRACK = "#1f2328", "#59636e", "#4477AA", "#e6e8eb"


def main(export: str, out: Path) -> None:
    path = Path(str(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))
    photo = segment_photo(Preprocessor("selfie", size=None, views=("segmented",)), path)
    tagger = Tagger(export)
    (tags,) = tagger.tag([path])
    figure = Figure(figsize=(10.4, 4.1), layout="constrained", facecolor="white")
    views = figure.subplots(1, 3, width_ratios=(1, 1, 1.15))
    for axes, pixels, title in zip(views, (photo.pixels, photo.cutout), ("Photo", "Person on white"), strict=False):
        axes.imshow(pixels)
        axes.set_title(title, fontsize=11, color=INK, loc="left")
        axes.set_axis_off()
    draw_tags(views[2], shown_tags(tagger.schema, tags.attributes))
    figure.savefig(out, dpi=110, pil_kwargs={"quality": 88})


def shown_tags(schema: Schema, tags: dict[str, Tag]) -> dict[str, float]:
    """The tags that `sister-keras tag` prints: every multi-class attribute, and the binary ones that are positive."""
    shown = {a.name: f"{a.name} = {tags[a.name].value}" for a in schema if not a.is_binary}
    shown |= {a.name: a.name for a in schema if a.is_binary and tags[a.name].value == a.classes[1]}
    return {label: tags[name].probability for name, label in shown.items()}


def draw_tags(axes: Axes, tags: dict[str, float]) -> None:
    """A row for each tag: its name, and its probability as a bar from 0 to 100 %."""
    axes.set_title("Tags and their probabilities", fontsize=11, color=INK, loc="left")
    for row, (label, probability) in enumerate(tags.items()):
        axes.text(0, row - 0.12, label, fontsize=10, color=INK, va="bottom")
        axes.text(1, row - 0.12, f"{probability:.0%}", fontsize=10, color=QUIET, va="bottom", ha="right")
        axes.barh(row, 1, height=0.16, color=TRACK)
        axes.barh(row, probability, height=0.16, color=BAR)
    axes.set_xlim(0, 1)
    axes.set_ylim(max(len(tags), 8) - 0.4, -0.7)
    axes.set_axis_off()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
