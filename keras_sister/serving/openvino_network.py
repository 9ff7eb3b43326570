"""The network of an export in OpenVINO, from views to probabilities."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_sister.errors import InputError


def convert_to_openvino(views_signature: Any) -> Any:
    """An ``openvino.Model`` of an export's signature ``views``.

    Raises:
        InputError: if OpenVINO is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise InputError("OpenVINO is missing: pip install 'keras-sister[openvino]'.") from error
    return openvino.convert_model(views_signature)


class OpenVINONetwork:
    """A network, compiled for this CPU, for as many threads as TensorFlow uses; several threads may call it at once.

    Args:
        model: an ``openvino.Model``, or the file of one.
        bfloat16: compute in bfloat16, which pays where the CPU has it; else in float32, whatever the CPU has.

    Example:
        >>> OpenVINONetwork(Path("saved_models/sister_a/1/openvino/model.xml"))({"photo": photos})["collar"].shape
        (8,)
    """

    def __init__(self, model: Any, *, bfloat16: bool = False) -> None:
        import openvino

        hints: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32"}
        if threads := tf.config.threading.get_intra_op_parallelism_threads():
            hints["INFERENCE_NUM_THREADS"] = threads
        self._network = openvino.Core().compile_model(str(model) if isinstance(model, Path) else model, "CPU", hints)

    def __call__(self, views: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs for a batch, by name.

        Args:
            views: uint8 arrays by input name, each with the batch first.
        """
        request = self._network.create_infer_request()  # one that is asked twice at once refuses
        found = request.infer(dict(views))
        return {name: found[output] for output in self._network.outputs for name in output.get_names()}
