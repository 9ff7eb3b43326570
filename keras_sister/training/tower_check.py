"""Check that the towers of several experiments fit together, before the first of them is trained.

In a process of its own, ``python -m keras_sister.training.tower_check BACKBONE PERSON_BACKBONE SIZE LEVELS``: networks
are built for it, and the memory of a GPU must stay free for the workers.
"""

import os
import subprocess
import sys
from collections.abc import Iterable

from keras_sister.backbone_names import PAPERS_BACKBONES
from keras_sister.config import Experiment
from keras_sister.errors import InputError
from keras_sister.keras_backend import chosen_backend, start_keras

_UNFIT = 3


def check_towers(experiments: Iterable[Experiment]) -> None:
    """Check that the towers of every ``sister_b`` have the same width.

    Raises:
        InputError: if they do not, or cannot be built.

    Example:
        >>> check_towers([Experiment(), Experiment(system="sister_b", backbone="efficientnet-lite0")])
        InputError: efficientnet-lite0 and resnet50: sister_b combines its towers element by element: …
    """
    checked = set()
    for e in experiments:
        networks = (e.backbone, e.person_backbone)
        if e.system == "sister_b" and len({*networks}) > 1 and not PAPERS_BACKBONES.issuperset(networks):
            checked.add((*networks, str(e.size), e.levels))
    for towers in sorted(checked):
        command = [sys.executable, "-W", "ignore", "-m", __name__, *towers]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
        child = subprocess.run(command, env=environment, capture_output=True, text=True)  # noqa: S603 - our own module
        if child.returncode == _UNFIT:
            raise InputError(child.stdout.strip().splitlines()[-1])
        # Whatever else may end it, such as too little memory, is said by the worker that trains.


def main(backbone: str, person_backbone: str, size: str, levels: str) -> int:
    """Build the towers with random weights, and print what does not fit."""
    start_keras(chosen_backend())
    from keras_sister.backbone_names import shown_name
    from keras_sister.models import build
    from keras_sister.schema import DCSA

    networks = {"backbone": backbone, "person_backbone": person_backbone}
    try:
        build("sister_b", DCSA, **networks, weights="none", size=int(size), levels=levels)
    except InputError as error:
        print(f"{' and '.join(map(shown_name, networks.values()))}: {' '.join(str(error).split())}")
        return _UNFIT
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
