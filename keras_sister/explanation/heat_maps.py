"""Heat maps: which parts of a view speak for a class, tower by tower."""

from typing import Any

import keras
import numpy as np

from keras_sister.errors import check_choice
from keras_sister.explanation.choices import METHODS
from keras_sister.explanation.gradients import gradients
from keras_sister.explanation.occlusion import occlusion_drops
from keras_sister.explanation.score import classes_of, directions, logits_of
from keras_sister.explanation.split_model import SplitModel, split
from keras_sister.models.mirror import unmirrored
from keras_sister.models.saved import schema_of


def heat_map(
    model: keras.Model,
    views: dict[str, Any],
    *,
    attribute: str,
    class_name: str | None = None,
    method: str = "gradient",
) -> dict[str, np.ndarray]:
    """Where each tower of a model finds what speaks for a class.

    ``gradient`` is Grad-CAM on the tower's last feature map: the channels, weighted by the mean gradient of the score,
    are summed, and what is below 0 becomes 0. ``occlusion`` slides a patch of a neutral colour, a quarter of the
    view wide, over the view, and takes the drop of the score, at least 0: slower, without gradients, a check on the
    other. Both are enlarged to the view, bilinear.

    The score is the class's logit; for the negative class of a binary attribute it is minus the logit. The values are
    in units of the score and are not scaled, so the maps of two towers can be compared, by one method.

    Sources: Selvaraju et al., "Grad-CAM" (ICCV 2017, arXiv:1610.02391); Zeiler and Fergus (ECCV 2014), section 4.2.

    Args:
        model: a model that `keras_sister.models` built, of any system.
        views: its inputs, by view; see `keras_sister.models.build`.
        attribute: name of an attribute of the model's schema.
        class_name: one of its classes; None for each photo's predicted class.
        method: ``gradient`` or ``occlusion``.

    Returns:
        By view that has a tower (``photo``, ``segmented``): float32 array, shape (batch, height, width), at least 0.
        In ``masked`` the only tower is ``photo``, and the mask is no view with a map.

    Raises:
        InputError: for an unknown attribute, class or method; for other views than the model takes; if the model has
            no towers.

    Example:
        >>> maps = heat_map(model, preprocessor.load(["me.jpg"]), attribute="neckline", class_name="round")
        >>> maps["photo"].shape, maps["segmented"].shape
        ((1, 224, 224), (1, 224, 224))
    """
    check_choice("method", method, METHODS)
    model = unmirrored(model)  # the maps are of the photo as it is
    schema = schema_of(model)
    named = schema.attribute(attribute)
    logits = logits_of(model, views)
    direction = directions(schema, named, classes_of(schema, named, class_name, logits))
    halves = split(model)
    if method == "gradient":
        coarse = grad_cam(halves, views, direction)
    else:
        coarse = {view: np.maximum(occlusion_drops(model, views, view, direction), 0) for view in halves.towers}
    return {view: _enlarge(values, views[view].shape[1:3]) for view, values in coarse.items()}


def grad_cam(halves: SplitModel, views: dict[str, Any], direction: np.ndarray) -> dict[str, np.ndarray]:
    """Grad-CAM of each tower, at the size of its feature map.

    Args:
        halves: the model.
        views: its inputs.
        direction: see `keras_sister.explanation.score.directions`.

    Returns:
        By view: float32 array, shape (batch, map height, map width), at least 0.
    """
    between = halves.maps(views)
    maps = {view: between[view] for view in halves.towers}
    slopes = gradients(lambda at: _score(halves.logits({**between, **at}), direction), maps)
    found = {}
    for view in halves.towers:
        features, slope = (_float32(tensors[view]) for tensors in (maps, slopes))
        weights = slope.mean(axis=(1, 2), keepdims=True)  # (batch, 1, 1, channels)
        found[view] = np.maximum((weights * features).sum(axis=-1), 0)
    return found


def _score(logits: Any, direction: np.ndarray) -> Any:
    return keras.ops.sum(logits * keras.ops.convert_to_tensor(direction))


def _float32(tensor: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def _enlarge(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    resized = keras.ops.image.resize(
        keras.ops.convert_to_tensor(values[..., None]), size, interpolation="bilinear", data_format="channels_last"
    )
    return keras.ops.convert_to_numpy(resized)[..., 0]
