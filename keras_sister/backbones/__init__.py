"""Backbones: networks from raw pixels to their last feature map."""

from keras_sister.backbones.build import build_backbone as build_backbone
