"""The settings of a segmenter's training, validated. No TensorFlow, like `keras_sister.config`."""

from dataclasses import dataclass

from keras_sister.config import backbone_name
from keras_sister.errors import InputError, check_choice

NETWORKS = ("fcn8s", "deeplab")
"""The networks that can be trained as segmenters, the paper's two."""


@dataclass(frozen=True, kw_only=True)
class SegmenterSettings:
    """How a segmenter is trained.

    Attributes:
        network: ``fcn8s`` or ``deeplab``.
        width: FCN-8s only: number of filters relative to the published network.
        backbone: DeepLab only: a name that `keras_sister.config.backbone_name` knows.
        weights: initial weights of VGG16 or the backbone: ``imagenet``, ``none`` or a file; for DeepLab also a KerasHub
            preset.
        staged: FCN-8s only: train FCN-32s, then FCN-16s and FCN-8s from it, as in the original paper, each for all
            epochs, the later ones at a tenth of the learning rate. Otherwise train FCN-8s at once.
        size: height and width, in pixels, at which photos are segmented.
        epochs: number of epochs; the last one is kept.
        batch_size: photos per step.
        learning_rate: Adam learning rate.
        seed: random seed of initial weights, order and augmentation.

    Raises:
        InputError: for a value out of range, or contradicting settings.

    Example:
        >>> SegmenterSettings(network="deeplab", size=384).strides
        (8,)
    """

    network: str = "fcn8s"
    width: float = 0.125
    backbone: str = "resnet50"
    weights: str = "none"
    staged: bool = False
    size: int = 128
    epochs: int = 12
    batch_size: int = 8
    learning_rate: float = 2e-3
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("network", self.network, NETWORKS)
        object.__setattr__(self, "backbone", backbone_name("backbone", self.backbone))
        for name in ("size", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1. Received: {getattr(self, name)}")
        for name in ("width", "learning_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"{name} must be above 0 and at most 1. Received: {getattr(self, name)}")
        if self.network == "deeplab" and self.size % 32:
            raise InputError(f"size must be a multiple of 32 for DeepLab. Received: {self.size}")
        if self.staged and self.network != "fcn8s":
            raise InputError("staged: only for network fcn8s.")

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides of the networks that are trained one after the other."""
        return (32, 16, 8) if self.staged else (8,)
