"""The network of an export in OpenVINO: from views to probabilities."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_sister.extras import missing_extra


def import_openvino() -> Any:
    """The package ``openvino`` without its telemetry.

    It would tell Google of every conversion, forty times, each from a fork of this process, which takes two seconds. A
    process that has imported ``openvino`` for itself is left alone.

    Raises:
        InputError: if OpenVINO is not installed.
    """
    hidden = {"openvino", "openvino_telemetry"}.isdisjoint(sys.modules)
    if hidden:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # importing it fails
    try:
        import openvino
    except ImportError as error:
        raise missing_extra("This needs OpenVINO", "openvino") from error
    finally:
        if hidden:
            del sys.modules["openvino_telemetry"]
    return openvino


def convert_to_openvino(views_signature: Any) -> Any:
    """Convert an export's signature ``views`` to an ``openvino.Model``.

    Raises:
        InputError: if OpenVINO is not installed.
    """
    return import_openvino().convert_model(views_signature)


class OpenVINONetwork:
    """A network compiled for this CPU, with as many threads as TensorFlow uses. Safe to call from several threads.

    Args:
        model: an ``openvino.Model``, or its file.
        bfloat16: compute in bfloat16, which is faster on CPUs that support it; otherwise in float32 on every CPU.

    Example:
        >>> OpenVINONetwork(Path("saved_models/sister_a/1/openvino/model.xml"))({"photo": photos})["collar"].shape
        (8,)
    """

    def __init__(self, model: Any, *, bfloat16: bool = False) -> None:
        hints: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32"}
        if threads := tf.config.threading.get_intra_op_parallelism_threads():
            hints["INFERENCE_NUM_THREADS"] = threads
        self._network = (
            import_openvino().Core().compile_model(str(model) if isinstance(model, Path) else model, "CPU", hints)
        )

    def __call__(self, views: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the network on a batch; returns its outputs by name.

        Args:
            views: uint8 arrays by input name, each with the batch first.
        """
        request = self._network.create_infer_request()  # a request cannot run twice at once
        found = request.infer(dict(views))
        return {name: found[output] for output in self._network.outputs for name in output.get_names()}
