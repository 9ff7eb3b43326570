"""Every setting of a segmenter's training, as one frozen and validated record; without TensorFlow, as in `config`."""

from dataclasses import dataclass

from keras_sister.config import BACKBONES
from keras_sister.errors import InputError

NETWORKS = ("fcn8s", "deeplab")
"""The networks that can be trained to find the person, the paper's two."""


@dataclass(frozen=True, kw_only=True)
class SegmenterSettings:
    """How a segmenter is trained.

    Attributes:
        network: ``fcn8s`` or ``deeplab``, the paper's two.
        width: of an FCN-8s, the share of the filters of the published network.
        backbone: of a DeepLab, a name in `keras_sister.config.BACKBONES`.
        weights: of the VGG16 part or the backbone: ``imagenet``, ``none`` or a file; for DeepLab also a preset of
            KerasHub.
        staged: train an FCN-8s as its authors did at first: FCN-32s, then FCN-16s and FCN-8s from it, each for all
            epochs and the later ones at a tenth of the learning rate. Otherwise at once.
        size: height and width, in pixels, at which photos are segmented.
        epochs: to train; the last one is kept.
        batch: photos a step.
        learning_rate: of Adam.
        seed: of the initial weights, the order and the augmentation.

    Raises:
        InputError: for a value out of range, or settings that contradict each other.
    """

    network: str = "fcn8s"
    width: float = 0.125
    backbone: str = "resnet50"
    weights: str = "none"
    staged: bool = False
    size: int = 128
    epochs: int = 12
    batch: int = 8
    learning_rate: float = 2e-3
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in (("network", NETWORKS), ("backbone", BACKBONES)):
            if getattr(self, name) not in allowed:
                raise InputError(f"{name} must be one of {', '.join(allowed)}. Received: {getattr(self, name)!r}")
        for name in ("size", "epochs", "batch"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1. Received: {getattr(self, name)}")
        for name in ("width", "learning_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"{name} must be above 0 and at most 1. Received: {getattr(self, name)}")
        if self.network == "deeplab" and self.size % 32:
            raise InputError(f"size must be a multiple of 32 for DeepLab. Received: {self.size}")
        if self.staged and self.network != "fcn8s":
            raise InputError("staged: only an FCN-8s has stages.")

    @property
    def strides(self) -> tuple[int, ...]:
        """The strides of the networks that are trained one after the other."""
        return (32, 16, 8) if self.staged else (8,)
