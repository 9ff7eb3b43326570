"""The section of robustness: predictions for photos with another background or another person mask."""

from typing import Any

_NAMES = {
    "background_swap": "other background",
    "eroded": "mask too small",
    "dilated": "mask too large",
    "nobody": "nobody found",
    "other_segmenter": "other segmenter",
}


def robustness_rows(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of the table.

    Args:
        summary: content of ``summary.json``.

    Returns:
        For the background swap and each change of the masks ``name`` and ``scores``, as in ``summary.json``, which are
        None if the change applied to no photo. No rows without the key ``robustness``.
    """
    found = summary.get("robustness")
    if not found:
        return []
    changes = {"background_swap": found["background_swap"], **found["masks"]}
    return [{"name": _NAMES[change], "scores": scores} for change, scores in changes.items()]
