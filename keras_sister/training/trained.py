"""The trained models of a run, and the preprocessor that makes their views of any photo."""

import warnings
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

import keras

from keras_sister.errors import InputError, reason_of
from keras_sister.evaluation.checksums import check_checksums
from keras_sister.models import mirror_averaged
from keras_sister.models.frozen import all_towers_of, head_of
from keras_sister.photo_files import PIXELS_VERSION
from keras_sister.run import HEAD_WEIGHTS, Run
from keras_sister.segmentation.preprocessor import Preprocessor
from keras_sister.training.precision import policy_of
from keras_sister.training.preprocessing import preprocessor_of
from keras_sister.training.trainer import build_model


def trained_model(run: Run, weights: Path, *, precision: str = "float32") -> keras.Model:
    """A model of a run, in float32 whatever it was trained in.

    Args:
        run: the run.
        weights: its ``model.keras``, or the file of a fold's weights, `keras_sister.run.Run.fold_weights`.
        precision: another precision, such as that of the run.

    Raises:
        InputError: if the file does not match the run's settings, or the run was changed since, naming the file.
    """
    check_checksums(run, weights.parent, weights.name)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy_of(precision))
    try:
        model = build_model(replace(run.experiment, weights="none"), run.schema)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Keras only warns of a layer that is missing in the file
            averaged = mirror_averaged(model) if run.experiment.flip_average else model
            if weights.name == HEAD_WEIGHTS:
                all_towers_of(model).load_weights(run.towers)
                head_of(model).load_weights(weights)
            else:  # a fold keeps the model inside
                (averaged if weights.suffix == ".keras" else model).load_weights(weights)
    except (OSError, ValueError, KeyError, BadZipFile, UserWarning) as error:
        raise InputError(f"{weights}: does not match config.yaml: {reason_of(error)}") from error
    finally:
        keras.config.set_dtype_policy(policy)
    return averaged


def preprocessor_of_run(run: Run, segmenter: str | None = None) -> Preprocessor:
    """The preprocessor that makes of any photo the views that a run was trained on.

    Args:
        run: the run.
        segmenter: a segmenter to use in place of the run's own, as ``--segmenter`` takes it.

    Raises:
        InputError: if the run was trained on photos that were decoded in another way, or its segmenter has changed.
    """
    experiment, views = run.experiment, run.views
    if views.get("images") != PIXELS_VERSION:
        raise InputError(
            f"{run.folder}: was trained by a version of keras-sister that decodes photos in another way; train again."
        )
    preprocessor = preprocessor_of(replace(experiment, segmenter=segmenter or experiment.segmenter))
    if not segmenter and preprocessor.fingerprint != views["fingerprint"] and experiment.needs_masks:
        raise InputError(
            f"{experiment.segmenter}: changed since {run.folder} was trained; restore it, or name one by --segmenter."
        )
    return preprocessor
