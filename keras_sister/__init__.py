"""SisterNetwork for Keras: tag fashion photos with attributes, from the whole photo and the person on white.

    import keras_sister

    model = keras_sister.build("sister_a", keras_sister.DCSA)
    model = keras_sister.load_model("sister.keras")

Importing the package loads neither TensorFlow nor Keras; each name below is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_sister.explanation.heat_maps import heat_map as heat_map
    from keras_sister.export.export_model import export_model as export_model
    from keras_sister.models.build import build as build
    from keras_sister.models.saved import load_model as load_model
    from keras_sister.models.saved import schema_of as schema_of
    from keras_sister.schema import DCSA as DCSA
    from keras_sister.schema import Attribute as Attribute
    from keras_sister.schema import Schema as Schema
    from keras_sister.segmentation.preprocessor import Preprocessor as Preprocessor
    from keras_sister.serving.tagger import Tagger as Tagger
    from keras_sister.training.cross_validation import cross_validate as cross_validate

__version__ = "0.1.0"

_HOMES = {
    "Attribute": "schema",
    "DCSA": "schema",
    "Preprocessor": "segmentation.preprocessor",
    "Schema": "schema",
    "Tagger": "serving.tagger",
    "build": "models",
    "cross_validate": "training.cross_validation",
    "export_model": "export.export_model",
    "heat_map": "explanation.heat_maps",
    "load_model": "models",
    "schema_of": "models",
}

__all__ = ["DCSA", "Attribute", "Preprocessor", "Schema", "Tagger", "build", "cross_validate", "export_model",
           "heat_map", "load_model", "schema_of"]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'keras_sister' has no attribute '{name}'")
    return getattr(import_module(f"keras_sister.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
