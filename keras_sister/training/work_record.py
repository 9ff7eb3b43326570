"""``work.json`` of a run: the tasks that were completed, with their times and the versions that did them.

Each entry has the SHA-256 of itself and those before it, by which a later change is noticed.
"""

import hashlib
import json
import math
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from keras_sister import __version__
from keras_sister.run import Run, changed

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
    before = read_work(run)
    entry = {"task": task, "seconds": round(seconds, 1), "versions": dict(versions)}
    run.write("work.json", [*before, {**entry, "sha256": _digest([*before, entry])}])


def read_work(run: Run) -> list[dict[str, Any]]:
    """The completed tasks of a run, in their order: ``task``, ``seconds``, ``versions``; empty without ``work.json``.

    Raises:
        InputError: if the file was changed or damaged, naming it.
    """
    if not (run.folder / "work.json").exists():
        return []
    work = run.read("work.json")
    try:
        whole = all(isinstance(w["task"], str) and 0 <= w["seconds"] < math.inf and w["versions"] for w in work)
        whole = whole and all(isinstance(version, str) for w in work for version in w["versions"].values())
        whole = whole and all(_is_as_recorded(work[: i + 1]) for i in range(len(work)))
    except (LookupError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise changed(run.folder / "work.json")
    return list(work)


def _is_as_recorded(work: list[dict[str, Any]]) -> bool:
    """Whether the last of some entries is the one that was recorded after the others; unknown of the first versions."""
    *before, last = work
    entry = {name: value for name, value in last.items() if name != "sha256"}
    return "sha256" not in last or last["sha256"] == _digest([*before, entry])


def _digest(work: list[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps(work, sort_keys=True).encode()).hexdigest()


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
