"""The protocol of person segmenters. Adding one takes one file with a class that has these members."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol


class Segmenter(Protocol):
    """Segments the person in photos, inside a TensorFlow graph.

    Attributes:
        size: height and width, in pixels, of the square images it expects; None if it takes any size.
        fingerprint: text that changes whenever the output could change; it is part of the view store's key. It begins
            with ``masks:`` if, and only if, the masks are looked up by the photos' names.
    """

    size: int | None
    fingerprint: str

    def check(self, photos: Sequence[Path]) -> None:
        """Check, before the work begins, that these photos can be segmented.

        Raises:
            InputError: if one cannot.
        """

    def folded(self) -> "Segmenter":
        """The same segmenter with batch normalisation folded into its convolutions, for exports.

        Returns the segmenter itself where there is nothing to fold.
        """

    def __call__(self, images: Any, names: Any = None) -> Any:
        """Segment a batch.

        Args:
            images: tensor, shape (batch, height, width, 3), RGB, 0–255, uint8 or float32.
            names: string tensor, shape (batch,): the photos' file names without suffix; None for photos without a
                file, such as those sent to a server.

        Returns:
            float32 tensor, shape (batch, height, width, 1): probability of *person*, in [0, 1].

        Raises:
            InputError: if the segmenter needs names and received none.
        """


def looks_up_names(fingerprint: str) -> bool:
    """Whether photos with equal pixels may have different masks, by the fingerprint of a segmenter."""
    return fingerprint.startswith("masks:")
