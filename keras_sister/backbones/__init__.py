"""Backbones: networks from raw pixels to their last feature map."""

from keras_sister.backbones.build import build_backbone as build_backbone
from keras_sister.backbones.build import fetch_weights as fetch_weights
from keras_sister.backbones.build import has_weights as has_weights
from keras_sister.backbones.build import weight_file as weight_file
