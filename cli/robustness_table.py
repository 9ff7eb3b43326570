"""The table of robustness, for ``cv`` and ``compare``."""

from collections.abc import Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from .percent import percent

_NAMES = {
    "background_swap": "other background",
    "eroded": "mask too small",
    "dilated": "mask too large",
    "nobody": "nobody found",
    "other_segmenter": "other segmenter",
}


def robustness_table(systems: Mapping[str, dict[str, Any]]) -> Table:
    """A row for each change of the photos.

    Args:
        systems: by name what `keras_sister.evaluation.robustness.summarize_robustness` returns; a single one is not
            named in the table.
    """
    table = Table(
        title="Robustness: MACC and tags of changed held-out photos",
        caption=escape(_caption([scores["background_swap"] for scores in systems.values()])),
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("", no_wrap=True)
    for heading in ("MACC, % ± std", "change, points", "tags a photo"):
        table.add_column(heading, justify="right")
    for name, scores in systems.items():
        if len(systems) > 1:
            table.add_section()
            table.add_row(escape(name), style="bold")
        for change, found in {"background_swap": scores["background_swap"], **scores["masks"]}.items():
            table.add_row(_NAMES[change], *(["–"] * 3 if found is None else _cells(found)))
    return table


def _caption(swaps: list[dict[str, Any] | None]) -> str:
    photos = max(0 if swap is None else swap["photos"] for swap in swaps)
    return (
        f"[95 % interval]; change: against the same photos as they are; tags: those that change; other background:"
        f" {photos} photos"
    )


def _cells(found: dict[str, Any]) -> list[str]:
    macc, change, tags = found["macc"], found["change"], found["tags_changed"]
    spread = "–" if macc["mean"] is None else f"{100 * macc['mean']:.2f} ± {percent(macc['std'])}"
    moved = "–"
    if change["estimate"] is not None:
        low, high = (100 * value for value in change["interval"])
        moved = f"{100 * change['estimate']:+.2f} [{low:+.1f}, {high:+.1f}]"
    low, high = tags["interval"]
    return [spread, moved, f"{tags['per_photo']:.2f} [{low:.2f}, {high:.2f}]"]
