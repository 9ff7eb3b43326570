"""A process that performs training steps of one framework when it is asked to, so that two can take turns.

``python -m benchmarks.step_process keras|torch`` reads a line of JSON from standard input for each request and answers
with one. Each framework has its own process: PyTorch's threads go on spinning for a while and would slow others.
"""

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

PHOTOS = 1_856
"""Photos of DCSA, which Table 2 is about."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """What is measured.

    Attributes:
        system: ``baseline``, ``sister_a``, or ``heads``: those of ``sister_a`` in all folds as one stacked model.
        network: of every tower; a name of both Keras and `benchmarks.torch_networks`.
        batch: photos a step.
        size: height and width in pixels.
        batch_norm: ``train`` or ``frozen``.
        precision: ``float32``, ``bfloat16``.
        forward: predict only.
        compiled: with ``torch.compile``; Keras compiles always.
        folds: number of folds of ``heads``; a step takes one batch for each.
    """

    system: str = "baseline"
    network: str = "resnet50"
    batch: int = 8
    size: int = 224
    batch_norm: str = "train"
    precision: str = "float32"
    forward: bool = False
    compiled: bool = False
    folds: int = 1

    @property
    def title(self) -> str:
        """Such as ``sister_a, resnet50, batch 8, float32, batch norm trained``."""
        if self.system == "heads":
            return f"heads of sister_a, {self.network}, {self.folds} folds, batch {self.batch}, {self.precision}"
        what = "forward" if self.forward else f"batch norm {self.batch_norm}ed".replace("frozened", "frozen")
        return f"{self.system}, {self.network}, batch {self.batch}, {self.precision}, {what}"


class StepProcess:
    """One framework in a process of its own.

    Args:
        framework: ``keras``, on the backend of the environment, or ``torch``.
        environment: variables to set in it.
    """

    def __init__(self, framework: str, environment: dict[str, str]) -> None:
        self.framework = framework
        self.process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "benchmarks.step_process", framework],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if framework == "keras" else None,
            text=True,
        )

    def ask(self, **request: Any) -> Any:
        """Send a request and wait for the answer; see `answer`."""
        self.send(**request)
        return self.answer()

    def send(self, **request: Any) -> None:
        """Send a request; the process works on it meanwhile."""
        self.request = request
        print(json.dumps(request), file=self.process.stdin, flush=True)

    def answer(self) -> Any:
        """Wait for the answer to the last request.

        Raises:
            RuntimeError: if the process has ended.
        """
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.framework}: the process has ended; the last request was {self.request}")
        return json.loads(answer)

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def arrays(row: Row) -> tuple[list[np.ndarray], np.ndarray]:
    """Random views (batch, size, size, 3), uint8, and labels (batch, attributes) of two classes."""
    from keras_sister.schema import DCSA

    rng = np.random.default_rng(0)
    views = 2 if row.system == "sister_a" else 1
    pixels = [rng.integers(0, 256, (row.batch, row.size, row.size, 3)).astype(np.uint8) for _ in range(views)]
    return pixels, rng.integers(0, 2, (row.batch, len(DCSA))).astype(np.int32)


def keras_steps(row: Row) -> Callable[[int], None]:
    """A function that performs a number of steps, as this project's training compiles them."""
    import keras

    from keras_sister.losses import MaskedAttributeLoss
    from keras_sister.schema import DCSA
    from keras_sister.training.fused_adam import FusedAdam

    _set_precision(row.precision)
    model = _build(row.system, row)
    for layer in model._flatten_layers():
        if row.batch_norm == "frozen" and isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    model.compile(FusedAdam(1e-5), loss=MaskedAttributeLoss(DCSA))
    pixels, labels = arrays(row)
    views = {tensor.name: array for tensor, array in zip(model.inputs, pixels, strict=True)}
    if keras.backend.backend() == "tensorflow":
        return _tensorflow_steps(model, views, labels, forward=row.forward)
    views = {name: keras.ops.convert_to_tensor(view) for name, view in views.items()}  # on the GPU, as PyTorch's
    labels = keras.ops.convert_to_tensor(labels)

    def steps(count: int) -> None:
        batches = ((views, labels) for _ in range(count))
        if row.forward:
            model.predict((each[:1] for each in batches), steps=count, verbose=0)
        else:
            model.fit(batches, steps_per_epoch=count, verbose=0)

    return steps


def _build(system: str, row: Row) -> Any:
    """A model with the row's network, without weights."""
    from keras_sister import models
    from keras_sister.schema import DCSA

    network = {"backbone": row.network, "person_backbone": row.network}
    return models.build(system, DCSA, **network, weights="none", size=row.size)


def _tensorflow_steps(model: Any, views: Any, labels: Any, *, forward: bool) -> Callable[[int], None]:
    import tensorflow as tf

    batches = iter(tf.data.Dataset.from_tensors((views, labels)).cache().repeat())
    make = model.make_predict_function if forward else model.make_train_function
    make()
    function = model.predict_function if forward else model.train_function

    def steps(count: int) -> None:
        for _ in range(count):
            outputs = function([next(batches)] if forward else batches)
        np.asarray(next(iter(outputs.values())) if isinstance(outputs, dict) else outputs)  # waits for a GPU

    return steps


def _set_precision(precision: str) -> None:
    import keras

    from keras_sister.training.precision import set_precision

    if precision == "bfloat16":
        precision = "onednn_bfloat16" if keras.backend.backend() == "tensorflow" else "mixed_bfloat16"
    set_precision(precision)


def keras_heads(row: Row) -> Callable[[int], None]:
    """Steps of stacked heads as `keras_sister.training.head_trainer` performs them."""
    from keras_sister.models.frozen import head_of
    from keras_sister.schema import DCSA
    from keras_sister.training.stacked_heads import StackedHeads

    head = head_of(_build("sister_a", row))
    features = [_features(tensor.shape[-1]) for tensor in head.inputs]
    heads = StackedHeads(head, DCSA, range(row.folds), features, None, learning_rate=1e-3)
    rows, labels, labels_weights = _head_batch(row)
    mirror, weights = np.zeros(rows.shape, bool), np.full(rows.shape, 1 / row.batch)

    def steps(count: int) -> None:
        for _ in range(count):
            heads.step(rows, mirror, labels, labels_weights, weights, np.ones(len(rows), bool))

    return steps


def torch_heads(row: Row) -> Callable[[int], None]:
    """The same in PyTorch: batched products, fused Adam, features in the memory of the GPU."""
    import torch

    from benchmarks.torch_networks import StackedHeads

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_float32_matmul_precision("high")
    model = StackedHeads(row.network, row.folds).to(device)
    features = [torch.from_numpy(_features(model.channels)).to(device) for _ in range(2)]
    rows, labels, _ = (torch.from_numpy(array).to(device) for array in _head_batch(row))
    targets = torch.nn.functional.pad(labels.float(), (0, 10))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    network = torch.compile(model) if row.compiled else model

    def steps(count: int) -> None:
        for _ in range(count):
            logits = network([tower[rows] for tower in features])
            optimizer.zero_grad(set_to_none=True)
            losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
            loss = losses.mean((1, 2)).sum()
            loss.backward()
            optimizer.step()
        loss.item()  # waits for a GPU

    return steps


def _features(channels: int) -> np.ndarray:
    """Random features of as many photos as DCSA has, (photos, channels)."""
    return np.random.default_rng(0).random((PHOTOS, channels), np.float32)


def _head_batch(row: Row) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A batch of each fold: rows (folds, batch); labels and their weights (folds, batch, attributes)."""
    from keras_sister.schema import DCSA

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (row.folds, row.batch, len(DCSA))).astype(np.int32)
    return rng.integers(0, PHOTOS, (row.folds, row.batch)), labels, np.ones(labels.shape, np.float32)


def torch_steps(row: Row) -> Callable[[int], None]:
    """The same in PyTorch: channels last, fused Adam, autocast for bfloat16."""
    import torch

    from benchmarks.torch_networks import Towers, freeze_batch_norm

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_float32_matmul_precision("high")  # TF32 on a GPU, as JAX has it by default
    pixels, labels = arrays(row)
    views = [torch.from_numpy(array).to(device).permute(0, 3, 1, 2) for array in pixels]  # channels last
    targets = torch.nn.functional.pad(torch.from_numpy(labels).float(), (0, 10)).to(device)  # 26 labels, 36 logits
    model = Towers(row.network, len(views)).to(device, memory_format=torch.channels_last)
    model.train(not row.forward)
    if row.batch_norm == "frozen":
        freeze_batch_norm(model)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-5, fused=True)
    network = torch.compile(model) if row.compiled else model

    def one() -> torch.Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=row.precision == "bfloat16"):
            logits = network(*views)
        if row.forward:
            return logits
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), targets)
        loss.backward()
        optimizer.step()
        return loss

    def steps(count: int) -> None:
        with torch.set_grad_enabled(not row.forward):
            for _ in range(count):
                result = one()
        result.detach().sum().item()  # waits for a GPU

    return steps


def peak_memory(framework: str) -> int | None:
    """Bytes of GPU memory that this process had at most; None on a CPU."""
    if framework == "torch":
        import torch

        return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
    import keras

    if keras.backend.backend() != "jax":
        return None
    import jax

    return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")


def main(framework: str) -> None:
    """Answer requests: ``build`` a row, perform ``steps``, until standard input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr
    if framework == "torch" and "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(os.cpu_count() or 1)
    makers = (torch_steps, torch_heads) if framework == "torch" else (keras_steps, keras_heads)
    for line in sys.stdin:
        request = json.loads(line)
        if "build" in request:
            row = Row(**request["build"])
            steps = makers[row.system == "heads"](row)
            steps(2)  # traces and compiles
        start = time.perf_counter()
        steps(request.get("steps", 1))
        answer = {"seconds": time.perf_counter() - start, "memory": peak_memory(framework)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
