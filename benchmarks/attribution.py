"""Where towers look on synthetic photos: the share of their heat maps inside the true garment.

sister-keras data street street --photos 240 --seed 1
sister-keras cv street --system sister_a --segmenter masks:street/masks --size 72 --out runs/sister_a …
python -m benchmarks.attribution street runs/sister_a [RUN…] [--photos 60] [--method occlusion]

Each photo is explained by the fold that was tested on it, for the predicted class of each attribute of the garment. The
share is compared with the garment's share of the view's area, which a map without any idea would have.
"""

from pathlib import Path

import click
import numpy as np
from PIL import Image

from keras_sister.explanation.choices import METHODS
from keras_sister.explanation.heat_maps import heat_map
from keras_sister.explanation.source import models_for, preprocessor_for
from keras_sister.run import Run
from keras_sister.storage.json_files import read_json
from keras_sister.street.photo import draw_photo

ATTRIBUTES = ("category", "neckline", "sleevelength", "collar", "pattern_solid", "pattern_plaid", "black", "white")
"""Attributes that the garment alone decides."""


@click.command()
@click.argument("street", type=click.Path(path_type=Path))
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--photos", default=60, show_default=True)
@click.option("--method", type=click.Choice(METHODS), default=METHODS[0], show_default=True)
def main(street: Path, runs: tuple[Path, ...], photos: int, method: str) -> None:
    print(f"{photos} photos, {len(ATTRIBUTES)} attributes, method {method}: mean share of the heat, in %")
    print("| system | tower | inside the garment | inside the person | area of the garment | area of the person |")
    print("|---|---|---|---|---|---|")
    for folder in runs:
        for tower, shares in measure(street, Run(folder), photos, method).items():
            cells = [f"{100 * share:.1f}" for share in shares]
            print(f"| {Run(folder).experiment.system} | {tower} | {' | '.join(cells)} |", flush=True)


def measure(street: Path, run: Run, photos: int, method: str) -> dict[str, np.ndarray]:
    """By tower: mean share of the heat in garment and person, and their mean share of the area, shape (4,)."""
    seed = read_json(street / "street.json")["seed"]
    found: dict[str, list[np.ndarray]] = {}
    for chosen in models_for(run.folder, run.photos[:photos]):
        model = chosen.load()
        preprocessor = preprocessor_for(run.folder, model, None)
        for photo in chosen.photos:
            truth = draw_photo(seed, int(photo.stem) - 1)
            inside = [at_size(area, run.experiment.size) for area in (truth.garment, truth.mask > 0)]
            views = preprocessor.load([photo])
            for attribute in ATTRIBUTES:
                for tower, heat in heat_map(model, views, attribute=attribute, method=method).items():
                    if heat.sum() > 0:  # elsewhere nothing speaks for the class
                        shares = [(heat[0] * area).sum() / heat.sum() for area in inside]
                        areas = [area.mean() for area in inside]
                        found.setdefault(tower, []).append(np.array([*shares, *areas]))
    return {tower: np.mean(rows, axis=0) for tower, rows in found.items()}


def at_size(area: np.ndarray, size: int) -> np.ndarray:
    """An area at a view's size: the share of each pixel, float32 (size, size)."""
    picture = Image.fromarray(area.astype(np.float32))
    return np.asarray(picture.resize((size, size), Image.Resampling.BOX))


if __name__ == "__main__":
    main()
