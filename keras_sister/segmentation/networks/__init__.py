"""Segmentation networks as Keras models: FCN-8s and DeepLab V3+."""
