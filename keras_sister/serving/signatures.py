"""The graph of an export: from the bytes of photos to named probabilities, each signature calling the next.

    prepare           image_bytes ── decode, resize ─┐
    images            images ────────────── resize ──┴─ segment, composite ─┐
    views             photo, segmented or mask ─────────────────────────────┴─ model ── probabilities
    serving_default   as prepare, then views
    segment           images ── resize, segment ── mask

Chained like this the graph is stored once, and the network is the same whichever way a photo comes in.
"""

from typing import Any

import keras
import tensorflow as tf

from keras_sister import images as pixels
from keras_sister.errors import InputError
from keras_sister.layers import AttributeProbabilities
from keras_sister.schema import Schema
from keras_sister.segmentation.compositing import model_views
from keras_sister.segmenter import Segmenter

DECODED, PERSON_SHARE = "decoded", "person_share"
"""Outputs beside the attributes, whose names no attribute may have."""


def make_archive(
    model: keras.Model,
    schema: Schema,
    *,
    segmenter: Segmenter | None = None,
    background: str = "white",
    edges: str = "hard",
) -> keras.export.ExportArchive:
    """Gather the signatures of an export; ``write_out`` of what comes back makes the SavedModel.

    The first three have one output for each attribute: ``(batch,)`` the probability of its positive class, or
    ``(batch, k)`` probabilities of k classes. All numbers that any of them puts out are float32.

    - ``serving_default``: ``image_bytes``, string (batch,), each a JPEG or PNG of any size. Also puts out ``decoded``,
      bool (batch,): False for a photo that is broken; all its numbers are 0, and its neighbours are not touched.
    - ``images``: ``images``, uint8 (batch, height, width, 3), RGB, any size.
    - ``views``: what the model itself looks at: ``photo`` and, if it does, ``segmented``, uint8 (batch, size, size, 3),
      or ``mask``, uint8 (batch, size, size, 1), 255 = surely person.
    - ``prepare``: ``image_bytes`` as above, to what ``views`` takes, here as whole numbers 0–255 in float32, and
      ``decoded``: for networks that run elsewhere.

    With a segmenter inside, all but ``views`` put out ``person_share`` as well: float32 (batch,), the share of the
    photo's pixels that are person; and there is

    - ``segment``: ``images`` as above to ``mask``, float32 (batch, height, width, 1), the probability of *person*.

    Args:
        model: with inputs named ``photo``, ``segmented`` or ``mask`` and the schema's logits as output.
        schema: of the logits.
        segmenter: finds the person; needed if the model looks at more than ``photo``.
        background, edges: of the segmented photo, see `keras_sister.segmentation.compositing.composite`.

    Raises:
        InputError: if an attribute has the name of another output.
        ValueError: if the model and the segmenter do not go together.
    """
    views = {tensor.name: tensor.shape[1] for tensor in model.inputs}
    size = next(iter(views.values()))
    if (set(views) != {"photo"}) != (segmenter is not None):
        raise ValueError(f"Expected a segmenter if the model looks at the person. Received: {views=}, {segmenter=}")
    for attribute in schema:
        if attribute.name in (DECODED, PERSON_SHARE):
            raise InputError(
                f"schema: an attribute may not be called '{attribute.name}', as an export's own output is."
            )
    probabilities = AttributeProbabilities(schema)
    # The photo for the model, and the one for the segmenter, which are the same where the segmenter takes any size.
    sizes = (size, segmenter.size or size) if segmenter else (size, size)

    def tag_views(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        named = probabilities(model(inputs, training=False))
        return {name: tf.cast(values, tf.float32) for name, values in named.items()}

    def look(photos: tf.Tensor, to_segment: tf.Tensor) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        if segmenter is None:
            return {"photo": photos}, {}
        masks = pixels.to_masks(segmenter(to_segment), size, size)
        return model_views(photos, masks, views, background, edges), {PERSON_SHARE: person_share(masks)}

    def tag_images(images: tf.Tensor) -> dict[str, tf.Tensor]:
        seen, share = look_function(*(pixels.resize(images, size) for size in sizes))
        return {**views_signature(seen), **share}

    def look_at_bytes(image_bytes: tf.Tensor) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        *photos, decoded = tf.map_fn(
            lambda contents: decode_or_blank(contents, sizes),
            image_bytes,
            fn_output_signature=(*(tf.TensorSpec((size, size, 3), tf.uint8) for size in sizes), tf.bool),
        )
        seen, share = look_function(*photos)
        share = {name: _zero_unless(decoded, values) for name, values in share.items()}
        return seen, {**share, DECODED: decoded}

    def prepare(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        seen, found = look_at_bytes_function(image_bytes)
        return {**{view: tf.cast(photos, tf.float32) for view, photos in seen.items()}, **found}

    def tag_bytes(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        seen, found = look_at_bytes_function(image_bytes)
        outputs = {name: _zero_unless(found[DECODED], values) for name, values in views_signature(seen).items()}
        return {**outputs, **found}

    def find_person(images: tf.Tensor) -> dict[str, tf.Tensor]:
        probability = segmenter(pixels.resize(images, sizes[1]))  # type: ignore[misc]  # only exported if there is one
        return {"mask": tf.cast(tf.image.resize(probability, tf.shape(images)[1:3], antialias=True), tf.float32)}

    views_signature = _function(tag_views, {view: _pixels(size, view) for view in views})
    look_function = _function(look, *(_pixels(size) for size in sizes))
    image_bytes = tf.TensorSpec((None,), tf.string, "image_bytes")
    look_at_bytes_function = _function(look_at_bytes, image_bytes)
    archive = keras.export.ExportArchive()
    # No `archive.track(model)`: endpoints bring the variables they use, and Keras 3.15 would store them a second time.
    archive.add_endpoint("serving_default", _function(tag_bytes, image_bytes))
    archive.add_endpoint("images", _function(tag_images, _pixels(None, "images")))
    archive.add_endpoint("views", views_signature)
    archive.add_endpoint("prepare", _function(prepare, image_bytes))
    if segmenter is not None:
        archive.add_endpoint("segment", _function(find_person, _pixels(None, "images")))
    return archive


def decode_or_blank(contents: tf.Tensor, sizes: tuple[int, ...]) -> tuple[tf.Tensor, ...]:
    """Decode one photo and bring it to each of `sizes`; a broken one becomes black ones.

    An operation that fails would fail the whole batch. Only ``tf.data`` can go on after an error inside a graph, so
    the photo passes through a data set of its own.

    Returns:
        For each size an uint8 tensor (size, size, 3), RGB; then a bool, whether the photo could be decoded.
    """

    def read(contents: tf.Tensor) -> tuple[tf.Tensor, ...]:
        image = pixels.decode(contents)
        return (*(pixels.resize(image, size) for size in sizes), tf.constant(True))

    blank = (*(tf.zeros((size, size, 3), tf.uint8) for size in sizes), tf.constant(False))
    photo = tf.data.Dataset.from_tensors(contents).map(read).ignore_errors()
    return photo.concatenate(tf.data.Dataset.from_tensors(blank)).take(1).get_single_element()


def person_share(masks: tf.Tensor) -> tf.Tensor:
    """The share of pixels that are more likely person than not: float32 (batch,)."""
    return tf.reduce_mean(tf.cast(masks > 127, tf.float32), axis=(1, 2, 3))


def _zero_unless(decoded: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.reshape(decoded, (-1,) + (1,) * (values.shape.rank - 1)), values, tf.zeros_like(values))


def _pixels(size: int | None, name: str | None = None) -> tf.TensorSpec:
    return tf.TensorSpec((None, size, size, 1 if name == "mask" else 3), tf.uint8, name)


def _function(function: Any, *signature: Any) -> Any:
    """A traced ``tf.function``; traced, since an endpoint without a trace has no shapes to export."""
    traced = tf.function(function, input_signature=signature, autograph=False)
    traced.get_concrete_function()
    return traced
