"""Compute F1 and Hamming loss with tensorflow-addons, as a reference for the tests.

tensorflow-addons is no longer developed and does not work with Keras 3, so this script runs in an environment of its
own, and its output is committed:

python3.11 -m venv addons && addons/bin/pip install tensorflow-cpu==2.15.1 tensorflow-addons==0.23.0
addons/bin/python scripts/addons_reference.py > tests/evaluation/addons_reference.json
"""

import json

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

PHOTOS, BINARY, CLASSES = 60, 4, 3


def main() -> None:
    rng = np.random.RandomState(0)  # its numbers are the same in every version of NumPy
    labels = np.concatenate([rng.rand(PHOTOS, BINARY) < 0.3, rng.randint(CLASSES, size=(PHOTOS, 1))], axis=1)
    logits = np.round(rng.randn(PHOTOS, BINARY + CLASSES), 3).astype(np.float32)

    binary = labels[:, :BINARY].astype(np.float32), tf.sigmoid(logits[:, :BINARY])
    multi = tf.one_hot(labels[:, BINARY], CLASSES), tf.nn.softmax(logits[:, BINARY:])
    decided = [tf.cast(binary[1] >= 0.5, tf.float32), tf.one_hot(tf.argmax(multi[1], axis=1), CLASSES)]
    every = tf.concat([binary[0], multi[0]], axis=1), tf.concat(decided, axis=1)

    f1 = {
        "binary": measure(tfa.metrics.F1Score(BINARY, threshold=0.5), *binary),
        "multi": measure(tfa.metrics.F1Score(CLASSES), *multi),  # predicts the most probable class
        "macro": measure(tfa.metrics.F1Score(BINARY + CLASSES, average="macro", threshold=0.5), *every),
        "micro": measure(tfa.metrics.F1Score(BINARY + CLASSES, average="micro", threshold=0.5), *every),
    }
    hamming = measure(tfa.metrics.HammingLoss(mode="multilabel", threshold=0.5), *every)
    versions = f"tensorflow-addons {tfa.__version__}, TensorFlow {tf.__version__}"
    print(
        json.dumps(
            {
                "made by": f"scripts/addons_reference.py, {versions}",
                "labels": labels.astype(int).tolist(),
                "logits": [[round(float(x), 3) for x in row] for row in logits],
                "f1": f1,
                "hamming_loss": hamming,
            }
        )
    )


def measure(metric: tf.keras.metrics.Metric, truth: tf.Tensor, predicted: tf.Tensor) -> float | list[float]:
    metric.update_state(truth, predicted)
    return metric.result().numpy().tolist()


if __name__ == "__main__":
    main()
