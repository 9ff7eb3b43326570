"""The section of robustness: predictions for photos with another background or another person mask."""

from typing import Any

_MASKS = "mask: "


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
    changes = {"other background": found["background_swap"]}
    changes |= {f"{_MASKS}{name.replace('_', ' ')}": scores for name, scores in found.get("masks", {}).items()}
    return [{"name": name, "scores": scores} for name, scores in changes.items()]
