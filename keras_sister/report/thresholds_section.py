"""The section of thresholds and calibration; the page has it if the run folder holds ``thresholds.json``."""

from typing import Any

from keras_sister.run import Run


def thresholds_section(run: Run) -> dict[str, Any] | None:
    """The content of ``thresholds.json``; None without the file.

    Raises:
        InputError: if the file is damaged, naming it.
    """
    return run.read("thresholds.json") if (run.folder / "thresholds.json").exists() else None
