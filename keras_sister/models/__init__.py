"""Functional builders: one per system of the paper, and one of our own.

photo ────── backbone ───────── max pooling ── 1,024 ─┐
                                                      ├─ fusion ── logits        sister_a, twin, gate_*
segmented ── person_backbone ── max pooling ── 1,024 ─┘

Importing this package registers every layer, loss and metric that a saved model needs.
"""

from keras_sister.models.baseline import baseline as baseline
from keras_sister.models.build import SYSTEMS as SYSTEMS
from keras_sister.models.build import build as build
from keras_sister.models.build import networks_of as networks_of
from keras_sister.models.gated import gated as gated
from keras_sister.models.masked import masked as masked
from keras_sister.models.mirror import mirror_averaged as mirror_averaged
from keras_sister.models.saved import load_model as load_model
from keras_sister.models.saved import schema_of as schema_of
from keras_sister.models.sister_a import sister_a as sister_a
from keras_sister.models.sister_a import twin as twin
from keras_sister.models.sister_b import sister_b as sister_b
