"""What holds on JAX and PyTorch, without TensorFlow: ``KERAS_BACKEND=jax python -m tests.other_backends FOLDER``.

One process for all of it, because a backend takes seconds to start. FOLDER has ``views.npz`` and the weights of each
system; it receives what is found, and ``outcomes.json``: for each part a traceback, or nothing if it held.
"""

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

sys.modules["tensorflow"] = None  # type: ignore[assignment]  # from here on importing it fails

from keras_sister.tensorflow_start import without_what_is_not_needed  # noqa: E402

with without_what_is_not_needed():
    import keras

import numpy as np  # noqa: E402

from keras_sister import heat_map, models  # noqa: E402

from . import label_rules  # noqa: E402
from .explanation.red import red_model, views  # noqa: E402
from .layers.keras_harness import CASES, run_layer_test  # noqa: E402
from .models.systems import untrained  # noqa: E402


def logits(folder: Path) -> None:
    """Those of every system, as ``SYSTEM.npy``."""
    given = dict(np.load(folder / "views.npz"))
    for system in models.SYSTEMS:
        model = untrained(system)
        model.load_weights(folder / f"{system}.weights.h5")
        found = model({tensor.name: given[tensor.name] for tensor in model.inputs}, training=False)
        np.save(folder / f"{system}.npy", keras.ops.convert_to_numpy(found))


def heat_maps(folder: Path) -> None:
    """The sum of a map by each method, as ``heat.json``."""
    red = views((250, 0, 0))
    sums = {
        method: float(heat_map(red_model(), red, attribute="red", class_name="yes", method=method)["photo"].sum())
        for method in ("gradient", "occlusion")
    }
    (folder / "heat.json").write_text(json.dumps(sums))


def labels(folder: Path) -> None:
    label_rules.main()


def layers(folder: Path) -> None:
    """Keras's own test of every layer."""
    for case in CASES:
        run_layer_test(*case)


PARTS: tuple[Callable[[Path], None], ...] = (logits, heat_maps, labels, layers)


def main(folder: Path) -> None:
    outcomes = {}
    for part in PARTS:
        try:
            part(folder)
            outcomes[part.__name__] = ""
        except Exception:
            outcomes[part.__name__] = traceback.format_exc()
    (folder / "outcomes.json").write_text(json.dumps({"backend": keras.backend.backend(), **outcomes}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
