"""Synthetic photos of people on cluttered streets, with labels and masks: a dataset without restrictions."""

from keras_sister.street.photo import Street as Street
from keras_sister.street.photo import draw_photo as draw_photo
from keras_sister.street.write import write_street as write_street
