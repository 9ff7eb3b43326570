"""Keras's own test of a layer, for every layer of ours."""

from typing import Any

import keras
from keras.src.testing import TestCase

from keras_sister.layers import (
    AttributeLogits,
    AttributeProbabilities,
    GatedFusion,
    MaskedAveragePooling2D,
    MaskedMaxPooling2D,
    MirrorImage,
    PixelNormalization,
)
from keras_sister.schema import Attribute, Schema

SCHEMA = Schema((Attribute("collar"), Attribute("neckline", ("v_shape", "round", "other"))))
PIXELS = {"mean": (1.0, 2.0, 3.0), "std": (4.0, 5.0, 6.0), "bgr": True}
VECTORS = ((4, 5), (4, 5))
MAP_AND_MASK = ((4, 3, 2, 5), (4, 12, 10, 1))

CASES: list[tuple[type[keras.layers.Layer], dict[str, Any], Any, Any, Any]] = [
    (AttributeLogits, {"schema": SCHEMA}, (4, 5), "float32", (4, 4)),
    (AttributeProbabilities, {"schema": SCHEMA}, (4, 4), "float32", {"collar": (4,), "neckline": (4, 3)}),
    (GatedFusion, {"gate": "single", "join": "add"}, VECTORS, ("float32", "float32"), (4, 5)),
    (GatedFusion, {"gate": "element", "join": "add"}, VECTORS, ("float32", "float32"), (4, 5)),
    (GatedFusion, {"gate": "element", "join": "concat"}, VECTORS, ("float32", "float32"), (4, 10)),
    (MaskedMaxPooling2D, {}, MAP_AND_MASK, ("float32", "float32"), (4, 5)),
    (MaskedMaxPooling2D, {}, MAP_AND_MASK, ("float32", "uint8"), (4, 5)),
    (MaskedAveragePooling2D, {}, MAP_AND_MASK, ("float32", "float32"), (4, 5)),
    (MirrorImage, {}, (4, 6, 5, 3), "uint8", (4, 6, 5, 3)),
    (PixelNormalization, PIXELS, (4, 6, 5, 3), "float32", (4, 6, 5, 3)),
    (PixelNormalization, PIXELS, (4, 6, 5, 3), "uint8", (4, 6, 5, 3)),
]
"""Layer, arguments, shape and dtype of the inputs, shape of the outputs."""


def run_layer_test(
    layer: type[keras.layers.Layer], arguments: Any, shape: Any, dtype: Any, expected: Any, **options: Any
) -> None:
    """Configuration, symbolic and eager shapes, weights, a training step, mixed precision."""
    TestCase().run_layer_test(
        layer, arguments, input_shape=shape, input_dtype=dtype, expected_output_shape=expected, **options
    )
