"""``work.json`` of a run: the tasks that were completed, with their times and the versions that did them."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from keras_sister import __version__
from keras_sister.run import Run

_PACKAGES = ("tensorflow", "keras", "numpy", "pillow", "scikit-learn")
_OF_BACKEND = {"tensorflow": (), "jax": ("jax", "jaxlib")}


def record_work(run: Run, task: str, seconds: float, versions: Mapping[str, str]) -> None:
    """Add a completed task to ``work.json``. Attempts that were interrupted are not recorded.

    Args:
        run: the run.
        task: name of the task.
        seconds: how long it took.
        versions: `installed_versions` of the machine that performed it.

    Raises:
        InputError: if the file is damaged, naming it.
    """
    before = run.read("work.json") if (run.folder / "work.json").exists() else []
    run.write("work.json", [*before, {"task": task, "seconds": round(seconds, 1), "versions": dict(versions)}])


def installed_versions(backend: str = "tensorflow") -> dict[str, str]:
    """Versions of the packages that numbers depend on, where they are installed under these names.

    Args:
        backend: the one that trains, see `keras_sister.run.Run.backend`.
    """
    found = {"keras-sister": __version__, "python": platform.python_version()}
    for package in (*_PACKAGES, *_OF_BACKEND[backend]):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # such as tensorflow-cpu
            continue
    return found
