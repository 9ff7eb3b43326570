"""Custom layers in ``keras.ops`` only: they run on the TensorFlow, JAX and PyTorch backends."""

from keras_sister.layers.attribute_logits import AttributeLogits as AttributeLogits
from keras_sister.layers.gated_fusion import GatedFusion as GatedFusion
from keras_sister.layers.masked_max_pooling import MaskedAveragePooling2D as MaskedAveragePooling2D
from keras_sister.layers.masked_max_pooling import MaskedMaxPooling2D as MaskedMaxPooling2D
from keras_sister.layers.mirror_image import MirrorImage as MirrorImage
from keras_sister.layers.pixel_normalization import PixelNormalization as PixelNormalization
from keras_sister.layers.probabilities import AttributeProbabilities as AttributeProbabilities
