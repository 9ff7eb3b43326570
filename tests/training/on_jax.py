"""What holds on JAX, where TensorFlow cannot be imported: ``python -m tests.training.on_jax FOLDER``; see test_jax.

One process for all of it, because JAX compiles for seconds. FOLDER has the runs ``all`` and ``head``, started with
``KERAS_BACKEND=jax``, and ``initial.weights.h5``; it receives what is found.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from keras_sister.keras_backend import start_keras

start_keras("jax")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

from keras_sister.errors import is_out_of_memory  # noqa: E402
from keras_sister.run import Run  # noqa: E402
from keras_sister.training import head_trainer, tasks  # noqa: E402

from .same_on_all_backends import PIXELS, UNSEEN, batches, features, head_steps, trained  # noqa: E402


def equal_numbers(folder: Path) -> None:
    """What is compared with TensorFlow."""
    run, initial = Run(folder / "all"), folder / "initial.weights.h5"
    for kind in PIXELS:
        for number, arrays in enumerate(batches(run, kind)):
            np.savez(folder / f"jax-{kind}-{number}.npz", **arrays)
    trainer, losses = trained(run, initial, folder / "trained-on-jax")
    np.savez(folder / "jax-trained.npz", losses=losses, logits=trainer.predict(UNSEEN))
    np.savez(folder / "jax-features.npz", **features(run, initial))
    with np.load(folder / "heads-before.npz") as before:
        np.savez(folder / "jax-heads.npz", **head_steps(dict(before))[1])


def resumed(folder: Path, name: str, task: str, cut_off_at: tuple[int, int]) -> None:
    """A task that was cut off and performed again ends with the bits of one that was not."""
    cut, whole = Run(folder / f"{name}-cut"), Run(folder / name)
    shutil.copytree(whole.folder, cut.folder)

    def cut_off(event: dict[str, Any]) -> None:
        if event["event"] == "step" and (event["epoch"], event["step"]) == cut_off_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tasks.perform(cut, task, cut_off)
    assert list(cut.folder.rglob("checkpoint.npz")) + list(cut.folder.glob("heads.npz"))
    again: list[dict[str, Any]] = []
    tasks.perform(cut, task, again.append)
    assert min(event["epoch"] for event in again if event["event"] == "step") == cut_off_at[0]
    tasks.perform(whole, task, lambda event: None)
    files = [file.relative_to(whole.folder) for file in whole.folder.rglob("predictions.npz")]
    assert files
    for file in files:
        with np.load(whole.folder / file) as one, np.load(cut.folder / file) as other:
            assert one["logits"].tobytes() == other["logits"].tobytes()


def main(folder: Path) -> None:
    equal_numbers(folder)
    resumed(folder, "all", "fold-00", (1, 2))
    head_trainer._BETWEEN_CHECKPOINTS = 0.0
    resumed(folder, "head", "heads", (2, 1))
    tasks.perform(Run(folder / "head"), "train", lambda event: None)
    model = keras.saving.load_model(folder / "head" / "model.keras", compile=False)
    views = {name: keras.ops.ones((2, 32, 32, 3)) * 100 for name in ("photo", "segmented")}
    np.save(folder / "final.npy", keras.ops.convert_to_numpy(model(views)))
    with pytest.raises(Exception, match="RESOURCE_EXHAUSTED") as caught:
        keras.ops.zeros(2**45).block_until_ready()
    assert is_out_of_memory(caught.value)
    assert "tensorflow" not in sys.modules
    (folder / "outcome.json").write_text(json.dumps({"backend": keras.backend.backend()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
