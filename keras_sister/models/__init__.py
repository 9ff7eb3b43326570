"""The systems of the paper: one functional builder each, all called the same way.

"SisterNetwork" is Lim, Han and Lee (Seoul National University, 2018).
"""

from collections.abc import Callable

import keras

from keras_sister.models.baseline import baseline as baseline
from keras_sister.models.baseline import segmented as segmented
from keras_sister.models.gates import gate_add as gate_add
from keras_sister.models.gates import gate_concat as gate_concat
from keras_sister.models.gates import gate_single as gate_single
from keras_sister.models.sister_a import sister_a as sister_a
from keras_sister.models.sister_a import twin as twin
from keras_sister.models.sister_b import sister_b as sister_b
from keras_sister.schema import Schema

SYSTEMS: dict[str, Callable[..., keras.Model]] = {
    "baseline": baseline,
    "segmented": segmented,
    "sister_a": sister_a,
    "sister_b": sister_b,
    "twin": twin,
    "gate_single": gate_single,
    "gate_add": gate_add,
    "gate_concat": gate_concat,
}
"""Builder by name; the keys are those of `keras_sister.config.SYSTEMS`."""


def build(
    system: str,
    schema: Schema,
    *,
    backbone: str = "resnet50",
    small: str = "resnet50",
    weights: str | dict[str, str] = "imagenet",
    size: int = 224,
) -> keras.Model:
    """Build one of the paper's systems.

    Args:
        system: a key of `SYSTEMS`.
        schema: what to predict.
        backbone: network of the whole-photo tower, or of the only one.
        small: network of the segmented-photo tower, where there are two.
        weights: ``imagenet``, ``none``, a file for every tower, or ``{backbone: file}``.
        size: height and width of the input, in pixels.

    Returns:
        A model whose inputs are named ``photo`` and ``segmented``, as far as the system looks at them: RGB, 0–255,
        uint8 or float, shape (batch, size, size, 3). Its output is ``logits``, float32, shape (batch,
        schema.n_logits).

    Raises:
        ValueError: for another system or backbone.
        InputError: if the weights cannot be had.

    Example:
        >>> model = build("sister_a", DCSA, backbone="resnet101", weights="none")
        >>> [view.name for view in model.inputs], model.output_shape
        (['photo', 'segmented'], (None, 36))
    """
    if system not in SYSTEMS:
        raise ValueError(f"Expected system to be one of {list(SYSTEMS)}. Received: system={system!r}")
    return SYSTEMS[system](schema, backbone=backbone, small=small, weights=weights, size=size)
