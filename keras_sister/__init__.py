"""SisterNetwork for Keras: tag a photo by looking at it twice, whole and with only the person left.

Importing the package loads neither TensorFlow nor Keras; take the rooms you need:

    from keras_sister import models, schema
    model = models.build("sister_a", schema.DCSA, backbone="resnet50", small="resnet50")
"""

__version__ = "0.1.0"
