"""Explanations: where each tower of a model looks, and how much it contributes to a logit.

`keras_sister.explanation.heat_maps` and `keras_sister.explanation.contributions` run on every Keras backend; opening
runs (`keras_sister.explanation.source`) needs TensorFlow.
"""
