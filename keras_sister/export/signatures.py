"""The graph of an export: from image bytes to named probabilities. Each signature calls the next.

    prepare           image_bytes ── decode, resize ─┐
    images            images ────────────── resize ──┴─ segment, composite ─┐
    views             photo, segmented or mask ─────────────────────────────┴─ model ── probabilities
    serving_default   like prepare, then views
    segment           images ── resize, segment ── mask

Because of the chain the graph is stored once, and every signature uses the same network and the same segmenter.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_sister.errors import InputError
from keras_sister.evaluation.decisions import NOT_SURE, Rules
from keras_sister.export.decisions import decision_outputs
from keras_sister.layers import AttributeProbabilities
from keras_sister.schema import Schema
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.segmenter import Segmenter
from keras_sister.serving.predictions import CONFIDENCE, DECISIONS, DECODED, PERSON_SHARE, SCHEMA_HASH

Tensors = dict[str, tf.Tensor]


class Signatures:
    """The signatures of an export, one method each.

    The outputs ``serving_default``, ``images`` and ``views`` have in common are one per attribute: ``(batch,)``
    probability of the positive class, or ``(batch, k)`` probabilities of k classes. All numbers are float32. With a
    segmenter, all signatures except ``views`` also return ``person_share``, float32 (batch,): the share of the photo's
    pixels that are person.

    With thresholds these three also return ``decisions``, int32 (batch, attributes): the class index or −1 = not sure,
    and ``confidence``, float32 (batch, attributes): the calibrated probability of the class decided for, or of the
    likeliest one. The outputs named like attributes stay the model's own probabilities. Without thresholds there is
    neither.

    Args:
        model: with inputs named ``photo``, ``segmented`` or ``mask`` and the schema's logits as output.
        schema: attributes and classes.
        preprocessor: makes the model's views; with a segmenter if the model takes more than ``photo``.
        rules: how each attribute is decided, by name; None without thresholds.

    Raises:
        InputError: if an attribute has the name of another output.
        ValueError: if model and preprocessor do not match.

    Example:
        >>> Signatures(model, DCSA, Preprocessor("selfie")).write("saved_models/sister_a/1")
    """

    def __init__(
        self, model: keras.Model, schema: Schema, preprocessor: Preprocessor, rules: Rules | None = None
    ) -> None:
        check_match(model, preprocessor)
        for attribute in schema:
            if attribute.name in (DECODED, PERSON_SHARE, SCHEMA_HASH, DECISIONS, CONFIDENCE):
                raise InputError(f"schema: '{attribute.name}' is the name of an output of the export; rename it.")
        self._model = model
        self._probabilities = AttributeProbabilities(schema)
        self._schema, self._rules = schema, rules
        size = model.inputs[0].shape[1]
        self._resized = {"photo": tf.TensorSpec((size, size, 3), tf.uint8)}
        if preprocessor.segmenter:
            segmenter_size = preprocessor.segmenter.size or size
            self._resized["to_segment"] = tf.TensorSpec((segmenter_size, segmenter_size, 3), tf.uint8)
            preprocessor = preprocessor.with_segmenter(TracedSegmenter(preprocessor.segmenter, segmenter_size))
        self._preprocessor = preprocessor
        # From here on each function calls those traced before it.
        image_bytes = tf.TensorSpec((None,), tf.string, "image_bytes")
        inputs = {tensor.name: _image(size, tensor.name) for tensor in model.inputs}
        self._traced_views = _traced(self.views, inputs)
        self._traced_preprocess = _traced(self._preprocess, {k: _image(v.shape[0]) for k, v in self._resized.items()})
        self._traced_read = _traced(self._read, image_bytes)
        self._traced = {
            "serving_default": _traced(self.serving_default, image_bytes),
            "images": _traced(self.images, _image(None, "images")),
            "views": self._traced_views,
            "prepare": _traced(self.prepare, image_bytes),
        }
        if preprocessor.segmenter:
            self._traced["segment"] = _traced(self.segment, _image(None, "images"))

    def write(self, folder: str | Path) -> None:
        """Write them as a SavedModel into a new folder.

        Each is there as a signature, and as an attribute of the loaded object, which ``keras.layers.TFSMLayer`` takes.
        They are written as traced: a ``tf.function`` would be traced again while TensorFlow saves it.
        """
        signatures = {name: function.get_concrete_function() for name, function in self._traced.items()}
        exported = tf.Module()
        for name, signature in signatures.items():
            setattr(exported, name, signature)
        exported.weights = _each_once(v for signature in signatures.values() for v in signature.graph.variables)
        tf.saved_model.save(exported, str(folder), signatures=signatures)

    def serving_default(self, image_bytes: tf.Tensor) -> Tensors:
        """From ``image_bytes``, string (batch,), each a JPEG, PNG or WebP, to the attributes and ``decoded``.

        Photos have any size. Their EXIF orientation is applied, and transparency is flattened on white.

        ``decoded``, bool (batch,), is False for a damaged photo; all its numbers are 0, its decisions −1, and the other
        photos of the batch are not affected. ``schema_hash``, string (batch,), is that of the schema: a client that has
        another one must not name the tags.
        """
        views, found = self._traced_read(image_bytes)
        outputs = {
            name: _unless(found[DECODED], values, NOT_SURE if name == DECISIONS else 0)
            for name, values in self._traced_views(views).items()
        }
        return {**outputs, **found, SCHEMA_HASH: tf.fill(tf.shape(image_bytes), self._schema.hash)}

    def images(self, images: tf.Tensor) -> Tensors:
        """From ``images``, uint8 (batch, height, width, 3), RGB, upright, any size, to the attributes."""
        views, share = self._traced_preprocess(self._preprocessor.resize(images))
        return {**self._traced_views(views), **share}

    def views(self, inputs: Tensors) -> Tensors:
        """From the model's inputs, such as ``photo``, uint8 (batch, size, size, 3), to the attributes."""
        logits = self._model(inputs, training=False)
        named = {name: tf.cast(values, tf.float32) for name, values in self._probabilities(logits).items()}
        if self._rules is None:
            return named
        return {**named, **decision_outputs(self._schema, self._rules, tf.cast(logits, tf.float32))}

    def prepare(self, image_bytes: tf.Tensor) -> Tensors:
        """From ``image_bytes`` to what ``views`` takes, as float32 0–255, and ``decoded``: for other runtimes."""
        views, found = self._traced_read(image_bytes)
        return {**{view: tf.cast(photos, tf.float32) for view, photos in views.items()}, **found}

    def segment(self, images: tf.Tensor) -> Tensors:
        """From ``images`` to ``mask``, float32 (batch, height, width, 1): the probability of *person*."""
        return {"mask": self._preprocessor.person_probability(images)}

    def _preprocess(self, resized: Tensors) -> tuple[Tensors, Tensors]:
        pair = self._preprocessor.view_pair(resized)
        share = {PERSON_SHARE: person_share(pair["mask"])} if "mask" in pair else {}
        return self._preprocessor.views(pair), share

    def _read(self, image_bytes: tf.Tensor) -> tuple[Tensors, Tensors]:
        resized = tf.map_fn(self._decode_or_blank, image_bytes, fn_output_signature={**self._resized, DECODED: tf.bool})
        decoded = resized.pop(DECODED)
        views, share = self._traced_preprocess(resized)
        share = {name: _unless(decoded, values, 0) for name, values in share.items()}
        return views, {**share, DECODED: decoded}

    def _decode_or_blank(self, contents: tf.Tensor) -> Tensors:
        """Decode and resize one photo; a damaged one becomes black.

        A failing operation would fail the whole batch. Only ``tf.data`` can continue after an error inside a graph,
        so the photo passes through a dataset of its own.
        """

        @tf.autograph.experimental.do_not_convert
        def read(contents: tf.Tensor) -> Tensors:
            return {**self._preprocessor.read(contents), DECODED: tf.constant(True)}

        blank = {name: tf.zeros(spec.shape, tf.uint8) for name, spec in self._resized.items()}
        photo = tf.data.Dataset.from_tensors(contents).map(read).ignore_errors()
        fallback = tf.data.Dataset.from_tensors({**blank, DECODED: tf.constant(False)})
        return photo.concatenate(fallback).take(1).get_single_element()


class TracedSegmenter:
    """A segmenter that is traced once, for images of one size; a network has hundreds of operations.

    Args:
        segmenter: the segmenter.
        size: height and width of the images.
    """

    def __init__(self, segmenter: Segmenter, size: int) -> None:
        self.size, self.fingerprint = segmenter.size, segmenter.fingerprint
        self.check = segmenter.check
        self._traced = _traced(segmenter.__call__, _image(size, "images"))

    def folded(self) -> "TracedSegmenter":
        """See `keras_sister.segmenter.Segmenter`; it is folded before it is traced."""
        return self

    def __call__(self, images: tf.Tensor, names: tf.Tensor | None = None) -> tf.Tensor:
        """See `keras_sister.segmenter.Segmenter`."""
        return self._traced(images)


def check_match(model: keras.Model, preprocessor: Preprocessor) -> None:
    """Check that a preprocessor makes the views that a model takes.

    Raises:
        ValueError: if it makes other views, or views of another size, or lacks a segmenter, or has a needless one.
    """
    inputs = {tensor.name: tensor.shape[1] for tensor in model.inputs}
    needs_person = set(inputs) != {"photo"}
    if (
        set(inputs) != set(preprocessor.view_names)
        or set(inputs.values()) != {preprocessor.size}
        or needs_person != (preprocessor.segmenter is not None)
    ):
        raise ValueError(f"Expected a preprocessor for the model's inputs {inputs}. Received: {preprocessor!r}")


def person_share(masks: tf.Tensor) -> tf.Tensor:
    """Share of the pixels with a person probability above one half: float32 (batch,)."""
    return tf.reduce_mean(tf.cast(masks > 127, tf.float32), axis=(1, 2, 3))


def _unless(decoded: tf.Tensor, values: tf.Tensor, otherwise: int) -> tf.Tensor:
    is_decoded = tf.reshape(decoded, (-1,) + (1,) * (values.shape.rank - 1))
    return tf.where(is_decoded, values, tf.cast(otherwise, values.dtype))


def _image(size: int | None, name: str | None = None) -> tf.TensorSpec:
    return tf.TensorSpec((None, size, size, 1 if name == "mask" else 3), tf.uint8, name)


def _traced(function: Any, signature: Any) -> Any:
    """A ``tf.function`` with its trace.

    TensorFlow keeps the variables of a trace in a set, whose order differs from process to process, and would write
    them in that order; sorted, two exports of a model are equal byte by byte.
    """
    traced = tf.function(function, input_signature=(signature,), autograph=False)
    graph = traced.get_concrete_function().graph
    graph.variables = sorted(graph.variables, key=lambda v: (v.name, hashlib.sha256(v.numpy()).digest()))
    return traced


def _each_once(variables: Iterable[tf.Variable]) -> list[tf.Variable]:
    """In the order of their first appearance; variables themselves cannot be compared."""
    return list({id(variable): variable for variable in variables}.values())
