"""The networks of the side-by-side benchmarks in PyTorch: ResNets, the baseline and Sister-A on them.

Source: He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition" (2016, arXiv:1512.03385), with strides
where ``keras.applications`` has them, so that both do the same multiplications. Unlike Keras's, the convolutions have
no biases, which are of no use before batch normalization: PyTorch's own ResNets have none either.
"""

import torch
from torch import nn

from keras_sister.schema import DCSA

BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet152": (3, 8, 36, 3), "resnet_mini": (1, 1)}
"""Bottleneck blocks in each stage; ``resnet_mini`` is a small one for tests."""


class _Block(nn.Module):
    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.reduce = _convolution(channels, width, 1, stride)
        self.middle = _convolution(width, width, 3)
        self.expand = _convolution(width, 4 * width, 1)
        self.shortcut = nn.Identity() if channels == 4 * width else _convolution(channels, 4 * width, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu_(self.middle(torch.relu_(self.reduce(x))))
        return torch.relu_(self.expand(y) + self.shortcut(x))


def _convolution(channels: int, filters: int, size: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(channels, filters, size, stride, padding=size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(filters))


def resnet(blocks: tuple[int, ...]) -> tuple[nn.Module, int]:
    """A ResNet without its top, and the number of channels of its map."""
    layers: list[nn.Module] = [_convolution(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for stage, count in enumerate(blocks):
        for block in range(count):
            layers.append(_Block(channels, 64 * 2**stage, 2 if stage and not block else 1))
            channels = 4 * 64 * 2**stage
    return nn.Sequential(*layers), channels


class Towers(nn.Module):
    """One or two towers of a ResNet with max pooling and 1,024 units each, added, then the logits of DCSA."""

    def __init__(self, network: str, views: int) -> None:
        super().__init__()
        parts = [resnet(BLOCKS[network]) for _ in range(views)]
        self.towers = nn.ModuleList(tower for tower, _ in parts)
        self.features = nn.ModuleList(nn.Linear(channels, 1024) for _, channels in parts)
        self.logits = nn.Linear(1024, DCSA.n_logits)

    def forward(self, *views: torch.Tensor) -> torch.Tensor:
        """Logits (batch, n_logits) of views (batch, 3, height, width), uint8."""
        vectors = []
        for tower, features, view in zip(self.towers, self.features, views, strict=True):
            vectors.append(torch.relu(features(tower((view.float() - 127.5) / 127.5).amax((2, 3)))))
        return self.logits(sum(vectors))


class StackedHeads(nn.Module):
    """The heads of Sister-A of several folds, with a first axis of folds: 1,024 units a tower, added, then logits."""

    def __init__(self, network: str, folds: int) -> None:
        super().__init__()
        self.channels = 256 * 2 ** (len(BLOCKS[network]) - 1)
        self.features = nn.ParameterList(nn.Parameter(_uniform(folds, self.channels, 1024)) for _ in range(2))
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(folds, 1, 1024)) for _ in range(2))
        self.logits = nn.Parameter(_uniform(folds, 1024, DCSA.n_logits))
        self.bias = nn.Parameter(torch.zeros(folds, 1, DCSA.n_logits))

    def forward(self, towers: list[torch.Tensor]) -> torch.Tensor:
        """Logits (folds, batch, n_logits) of two towers' features (folds, batch, channels)."""
        vectors = [
            torch.relu(torch.baddbmm(bias, tower, kernel))
            for tower, kernel, bias in zip(towers, self.features, self.biases, strict=True)
        ]
        return torch.baddbmm(self.bias, vectors[0] + vectors[1], self.logits)


def _uniform(folds: int, inputs: int, outputs: int) -> torch.Tensor:
    limit = (6 / (inputs + outputs)) ** 0.5
    return torch.empty(folds, inputs, outputs).uniform_(-limit, limit)


def freeze_batch_norm(model: nn.Module) -> None:
    """Batch normalization by its stored statistics, not trained, as ``--batch-norm frozen``."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval().requires_grad_(False)
