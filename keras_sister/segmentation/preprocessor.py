"""The preprocessor: from a photo to the views that a model takes.

    decode ── resize, turn upright ──────────────────────── photo ─┐
           └─ resize for the segmenter, turn upright ── mask ──────┴─ composite ── segmented

The view store, the photo commands, the graph of an export and library users all use this one object, so training and
serving see the same pixels. What verifies an export does the same steps on its own.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_sister import images
from keras_sister.config import MIN_PERSON_SHARE
from keras_sister.errors import InputError
from keras_sister.orientation import turn
from keras_sister.photo_files import UnreadablePhotosError, read_photo
from keras_sister.photo_kinds import why_not_decoded
from keras_sister.segmentation.compositing import check_compositing
from keras_sister.segmentation.segmenters.open import open_segmenter
from keras_sister.segmentation.views import VIEWS, make_views
from keras_sister.segmenter import Segmenter


class Preprocessor:
    """Turns photos into the views that a model takes.

    A *view pair* is what the view store keeps: the photo at the model's size and its person mask. The steps are
    separate methods, since a pipeline resizes photo by photo, segments in batches, and composites in every epoch.

    Args:
        segmenter: a segmenter, or its name as `keras_sister.segmentation.segmenters.open.open_segmenter` takes it.
            None if only ``photo`` is needed, or if view pairs come from a store.
        size: height and width of the views, in pixels; None keeps each photo at its own size.
        views: the views to make: ``photo``, the whole photo; ``segmented``, the person on a plain background; ``mask``.
        background: background of ``segmented``: ``white``, ``black``, ``mean`` (mean colour of the photo) or ``blur``.
        edges: ``hard`` or ``soft``, see `keras_sister.segmentation.compositing.composite`.
        min_person_share: a person that covers a smaller share of the pixels, in [0, 1], counts as nobody: its mask is
            empty. A sliver of a person would leave a second view that is almost all background.

    Attributes:
        fingerprint: text that changes whenever a mask could change: the segmenter's, and `min_person_share`; None
            without a segmenter.

    Raises:
        InputError: if the segmenter cannot be opened.
        ValueError: for an unknown view, background or kind of edges, or a share that is not in [0, 1].

    Example:
        >>> preprocessor = Preprocessor("selfie", size=224, views=("photo", "segmented"))
        >>> model.predict(preprocessor.load(["me.jpg", "you.jpg"])).shape
        (2, 36)
    """

    def __init__(
        self,
        segmenter: Segmenter | str | None = "selfie",
        *,
        size: int | None = 224,
        views: Sequence[str] = ("photo", "segmented"),
        background: str = "white",
        edges: str = "hard",
        min_person_share: float = MIN_PERSON_SHARE,
    ) -> None:
        unknown = [view for view in views if view not in VIEWS]
        if unknown or not views:
            raise ValueError(f"Expected views from {VIEWS}. Received: views={tuple(views)}")
        check_compositing(background, edges)
        if not 0 <= min_person_share <= 1:
            raise ValueError(f"Expected min_person_share from 0 to 1. Received: {min_person_share=}")
        if isinstance(segmenter, str):
            segmenter = open_segmenter(segmenter)
        self.segmenter = segmenter
        self.size = size
        self.view_names = tuple(views)
        self.background = background
        self.edges = edges
        self.min_person_share = min_person_share
        self.fingerprint = f"{segmenter.fingerprint} person>={min_person_share:g}" if segmenter else None
        self._segment = _traced_if_alone(segmenter) if segmenter else None

    def __repr__(self) -> str:
        return (
            f"Preprocessor({self.segmenter!r}, size={self.size}, views={self.view_names},"
            f" background={self.background!r}, edges={self.edges!r}, min_person_share={self.min_person_share:g})"
        )

    @property
    def needs_masks(self) -> bool:
        """Whether a view shows, or depends on, the person mask."""
        return self.view_names != ("photo",)

    def folded(self) -> "Preprocessor":
        """A copy whose segmenter has its batch normalisation folded into its convolutions, for exports."""
        return self.with_segmenter(self.segmenter.folded() if self.segmenter else None)

    def with_segmenter(self, segmenter: Segmenter | None) -> "Preprocessor":
        """A copy with another segmenter."""
        return Preprocessor(
            segmenter,
            size=self.size,
            views=self.view_names,
            background=self.background,
            edges=self.edges,
            min_person_share=self.min_person_share,
        )

    def check(self, photos: Sequence[Path]) -> None:
        """Check that these photos can be segmented.

        Raises:
            InputError: if one cannot.
        """
        if self.segmenter:
            self.segmenter.check(photos)

    def read(self, contents: tf.Tensor) -> dict[str, tf.Tensor]:
        """Decode one photo, turn it upright and `resize` it.

        Args:
            contents: scalar string tensor, the bytes of a JPEG, PNG or WebP.

        Returns:
            See `resize`.

        Raises:
            tf.errors.InvalidArgumentError: see `keras_sister.images.decode`.
        """
        if self.size is None:
            return self.resize(images.decode(contents))
        stored, orientation = images.decode_as_stored(contents)
        return {name: turn(image, orientation) for name, image in self.resize(stored).items()}

    def resize(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Resize images for the model and for the segmenter.

        Args:
            image: uint8 tensor, shape (height, width, 3) or (batch, height, width, 3), RGB.

        Returns:
            ``photo``, (size, size, 3), and with a segmenter ``to_segment``, at the segmenter's size; uint8, with the
            batch axis of `image`.
        """
        photo = images.resize(image, self.size) if self.size else image
        if self.segmenter is None:
            return {"photo": photo}
        wanted = self.segmenter.size
        return {"photo": photo, "to_segment": images.resize(image, wanted) if wanted else photo}

    def view_pair(self, resized: dict[str, tf.Tensor], names: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Segment a batch.

        Args:
            resized: a batch of what `resize` returned.
            names: string tensor, shape (batch,): file names without suffix; needed by ``masks:FOLDER``.

        Returns:
            ``photo``, uint8 (batch, height, width, 3), and with a segmenter ``mask``, uint8 (batch, height, width, 1),
            255 = person, all 0 where a person covers less than `min_person_share`.
        """
        photo = resized["photo"]
        if self._segment is None:
            return {"photo": photo}
        shape = photo.shape if self.size is None else (None, self.size, self.size)
        probability = self._segment(resized["to_segment"], names)
        mask = images.to_masks(probability, shape[1], shape[2])
        share = tf.reduce_mean(tf.cast(mask >= 128, tf.float32), axis=(1, 2, 3), keepdims=True)
        return {"photo": photo, "mask": tf.where(share >= self.min_person_share, mask, 0)}

    def views(self, pair: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Make the model's inputs from a batch of view pairs.

        Args:
            pair: what `view_pair` returned, or the view store holds.

        Returns:
            By view uint8 tensors, (batch, height, width, 3), or (batch, height, width, 1) for ``mask``.

        Raises:
            ValueError: if a view needs the mask and `pair` has no mask.
        """
        return make_views(pair, self.view_names, background=self.background, edges=self.edges)

    def load(self, paths: Iterable[str | Path]) -> dict[str, np.ndarray]:
        """Read photo files and make the model's inputs.

        Args:
            paths: JPEG, PNG or WebP files; at least one.

        Returns:
            By view uint8 arrays, shape (photos, size, size, 3), RGB, or (photos, size, size, 1) for ``mask``.

        Raises:
            UnreadablePhotosError: if files cannot be read or segmented, naming all of them.
            ValueError: if there are no paths, or `size` is None and the photos differ in size.
        """
        files = [Path(path) for path in paths]
        if not files:
            raise ValueError("Expected at least one photo. Received: paths=[]")
        found, reasons = [], {}
        for row, file in enumerate(files):
            try:
                found.append(self.views(self.pair_of(file)))
            except InputError as error:
                reasons[row] = str(error)
        if reasons:
            raise UnreadablePhotosError(files, reasons)
        return {view: np.concatenate([views[view] for views in found]) for view in self.view_names}

    def pair_of(self, path: Path) -> dict[str, tf.Tensor]:
        """The view pair of one file, with a batch axis of 1.

        Raises:
            InputError: if the file cannot be read or segmented, naming it.
        """
        resized = self.resized_photo(path)
        self.check([path])
        return self.view_pair(resized, tf.constant([os.fsencode(path.stem)]))

    def resized_photo(self, path: Path) -> dict[str, tf.Tensor]:
        """Read one file, upright and resized (see `resize`), with a batch axis of 1.

        Raises:
            InputError: if the file cannot be read, naming it.
        """
        contents = read_photo(path)
        try:
            return {name: image[None] for name, image in self.read(tf.constant(contents)).items()}
        except tf.errors.InvalidArgumentError as error:
            raise InputError(f"{path}: {why_not_decoded(contents)}.") from error

    def person_probability(self, photos: tf.Tensor) -> tf.Tensor:
        """Segment images at their own size.

        Args:
            photos: uint8 tensor, shape (batch, height, width, 3), RGB, of any size.

        Returns:
            float32 tensor, shape (batch, height, width, 1), in [0, 1].

        Raises:
            ValueError: without a segmenter.
        """
        if self._segment is None:
            raise ValueError("Expected a segmenter. Received: segmenter=None")
        probability = self._segment(self.resize(photos)["to_segment"])
        return tf.cast(tf.image.resize(probability, tf.shape(photos)[1:3], antialias=True), tf.float32)


def _traced_if_alone(segmenter: Segmenter) -> Callable[..., tf.Tensor]:
    """A segmenter that is traced once if it is not called inside a graph.

    Operation by operation, a network takes eight times as long for a photo. A segmenter that takes images of any size
    would be traced for each size.
    """
    traced = tf.function(segmenter.__call__, reduce_retracing=True)

    def segment(images: tf.Tensor, names: tf.Tensor | None = None) -> tf.Tensor:
        alone = tf.executing_eagerly() and segmenter.size is not None
        return (traced if alone else segmenter)(images, names)

    return segment
