"""Accuracy of cheap uses of a person mask: networks of one tower, compared on held-out photos.

sister-keras data street photos --photos 600 --seed 1
sister-keras segment train photos --out fcn --size 96 --epochs 8
python -m benchmarks.mask_uses photos fcn [--seeds 1] [--uses baseline,masked]
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import keras
import numpy as np
import tensorflow as tf

from keras_sister.backbones.resnet_mini import resnet_mini
from keras_sister.data.dcsa import load_dcsa
from keras_sister.data.folds import inner_split, stratified_folds
from keras_sister.data.image_store import Images
from keras_sister.data.pipeline import evaluation_batches, training_batches
from keras_sister.data.view_store import ViewPairs, ViewStore
from keras_sister.evaluation.scores import accuracies, macc
from keras_sister.layers import MaskedMaxPooling2D, PixelNormalization
from keras_sister.losses import MaskedAttributeLoss
from keras_sister.metrics import AttributeAccuracy
from keras_sister.schema import DCSA
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.segmentation.segmenters.open import open_segmenter

SIZE, FOLDS, EPOCHS, BATCH, LEARNING_RATE = 72, 4, 16, 16, 1e-3

Vectors = list[Any]
"""Tensors, shape (batch, channels); each passes its own layer of 1,024 units, and the results are added."""


def baseline(photo: Any, mask: Any) -> Vectors:
    """No use of the mask."""
    return [_everything(resnet_mini(photo))]


def masked(photo: Any, mask: Any) -> Vectors:
    """The last feature map, pooled over the person."""
    return [_person(resnet_mini(photo), mask)]


def both(photo: Any, mask: Any) -> Vectors:
    """The last feature map, pooled over the whole photo and over the person."""
    features = resnet_mini(photo)
    return [_everything(features), _person(features, mask)]


def soft(photo: Any, mask: Any) -> Vectors:
    """As `both`, with each cell weighted by its share of person pixels."""
    features = resnet_mini(photo)
    share = keras.layers.Rescaling(1 / 255)(mask)
    share = keras.ops.image.resize(share, features.shape[1:3], antialias=True)
    return [_everything(features), _everything(features * share)]


def dimmed(photo: Any, mask: Any) -> Vectors:
    """The background dimmed half-way to white, pooled over the whole photo."""
    return [_everything(resnet_mini(_dim(photo, mask)))]


def dimmed_masked(photo: Any, mask: Any) -> Vectors:
    """The background dimmed half-way to white, pooled over the person."""
    return [_person(resnet_mini(_dim(photo, mask)), mask)]


def channel(photo: Any, mask: Any) -> Vectors:
    """The mask as a fourth channel, which networks pretrained on ImageNet do not have."""
    pixels = PixelNormalization(mean=(127.5,) * 3, std=(127.5,) * 3)(photo)
    x = keras.layers.Concatenate()([pixels, keras.layers.Rescaling(1 / 127.5, -1)(mask)])
    x = keras.layers.Conv2D(3, 1)(x)  # learns how to reduce four channels to the network's three
    return [_everything(resnet_mini(127.5 * (x + 1)))]


USES: dict[str, Callable[[Any, Any], Vectors]] = {
    use.__name__: use for use in (baseline, masked, both, soft, dimmed, dimmed_masked, channel)
}


@click.command()
@click.argument("photos", type=click.Path(path_type=Path))
@click.argument("segmenter")
@click.option("--seeds", default=1, show_default=True)
@click.option("--uses", default=",".join(USES), show_default=True)
def main(photos: Path, segmenter: str, seeds: int, uses: str) -> None:
    dataset, opened = load_dcsa(photos), open_segmenter(segmenter)
    preprocessor = Preprocessor(opened, size=SIZE, views=("photo", "mask"))
    store = ViewStore(SIZE, preprocessor.fingerprint)
    pairs = store.open(store.fill(dataset.photos, preprocessor), dataset.photos)
    folds = stratified_folds(dataset.labels, DCSA, folds=FOLDS, seed=0)
    print(f"{len(dataset)} photos, MACC in %, mean ± standard deviation over {FOLDS} folds")
    print("| use of the mask | seed | MACC |\n|---|---|---|")
    for seed in range(seeds):
        for use in uses.split(","):
            maccs = [_test(USES[use], pairs, dataset.labels, test, seed=seed, fold=i) for i, test in enumerate(folds)]
            print(f"| {use} | {seed} | {100 * np.mean(maccs):.2f} ± {100 * np.std(maccs, ddof=1):.2f} |", flush=True)


def _test(use: Callable, pairs: ViewPairs, labels: np.ndarray, test: np.ndarray, *, seed: int, fold: int) -> float:
    """MACC on `test` after the best epoch on a validation split."""
    of_fold = int(np.random.default_rng([seed, fold]).integers(2**31))
    rest = np.setdiff1d(np.arange(len(labels)), test)
    train, validation = inner_split(labels, DCSA, rest, seed=of_fold)
    keras.utils.set_random_seed(of_fold)
    model = _build(use)
    model.compile(keras.optimizers.Adam(LEARNING_RATE), MaskedAttributeLoss(DCSA), metrics=[AttributeAccuracy(DCSA)])
    best = keras.callbacks.ModelCheckpoint(
        ".mask_uses.weights.h5", monitor="val_macc", mode="max", save_best_only=True, save_weights_only=True
    )

    def labelled(images: Images, rows: tf.Tensor) -> tuple[Images, tf.Tensor]:
        return images, tf.gather(labels, rows)

    plan = {"batch_size": BATCH, "seed": of_fold, "first_epoch": 0, "epochs": EPOCHS, "augmented": True}
    model.fit(
        training_batches(pairs, train, **plan).map(labelled),
        epochs=EPOCHS,
        steps_per_epoch=-(-len(train) // BATCH),
        validation_data=evaluation_batches(pairs, validation, batch_size=BATCH).map(labelled),
        callbacks=[best],
        shuffle=False,
        verbose=0,
    )
    model.load_weights(best.filepath)
    Path(best.filepath).unlink()
    logits = model.predict(evaluation_batches(pairs, test, batch_size=BATCH).map(lambda x, y: x), verbose=0)
    keras.backend.clear_session()
    return macc(accuracies(DCSA, labels[test], DCSA.predict(logits)))


def _build(use: Callable[[Any, Any], Vectors]) -> keras.Model:
    photo, mask = keras.Input((SIZE, SIZE, 3), name="photo"), keras.Input((SIZE, SIZE, 1), name="mask")
    hidden = [keras.layers.Dense(1024, activation="relu")(vector) for vector in use(photo, mask)]
    x = keras.layers.Add()(hidden) if len(hidden) > 1 else hidden[0]
    return keras.Model({"photo": photo, "mask": mask}, keras.layers.Dense(DCSA.n_logits)(x))


def _everything(features: Any) -> Any:
    return keras.layers.GlobalMaxPooling2D()(features)


def _person(features: Any, mask: Any) -> Any:
    return MaskedMaxPooling2D()([features, mask])


def _dim(photo: Any, mask: Any) -> Any:
    share = 0.5 + 0.5 * keras.layers.Rescaling(1 / 255)(mask)
    return share * keras.ops.cast(photo, "float32") + (1 - share) * 255


if __name__ == "__main__":
    main()
