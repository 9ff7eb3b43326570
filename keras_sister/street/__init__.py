"""Drawn photos of people on cluttered streets, with labels and masks: a dataset that may be given to anybody."""

from keras_sister.street.photo import Street as Street
from keras_sister.street.photo import draw as draw
from keras_sister.street.write import write as write
