"""What a person segmenter is. Adding one is one file that has these four members."""

from collections.abc import Sequence
from typing import Any, Protocol


class Segmenter(Protocol):
    """Finds the person in photos, inside a TensorFlow graph.

    Attributes:
        size: height and width, in pixels, of the square images it wants; None if it takes any size.
        fingerprint: text that changes whenever the segmenter's output could; the view store is keyed by it.
    """

    size: int | None
    fingerprint: str

    def check(self, names: Sequence[str]) -> None:
        """Make sure, before the work begins, that photos of these names can be segmented.

        Raises:
            InputError: if not.
        """

    def __call__(self, images: Any, names: Any = None) -> Any:
        """Segment a batch.

        Args:
            images: tensor, shape (batch, height, width, 3), RGB, 0–255, uint8 or float32.
            names: string tensor, shape (batch,): the photos' file names without extension; None for photos that have
                none, such as those sent to a server.

        Returns:
            float32 tensor, shape (batch, height, width, 1): the probability of *person* in [0, 1].

        Raises:
            InputError: if the segmenter needs names and got none.
        """
