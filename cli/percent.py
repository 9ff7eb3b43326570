"""Shares as the tables of commands show them."""


def percent(share: float | None, digits: int = 2) -> str:
    """A share in [0, 1] in percent, without the sign; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.{digits}f}"
