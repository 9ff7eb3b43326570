"""Optional packages, and how to install those that are missing."""

from importlib.util import find_spec
from pathlib import Path

from keras_sister.errors import InputError

_CHECKOUT = Path(__file__).parents[1]


def missing_extra(what: str, extra: str) -> InputError:
    """The error for an optional package that is not installed.

    Args:
        what: the feature and the package it needs, such as ``"Parquet needs pyarrow"``.
        extra: name of the extra in ``pyproject.toml``.

    Returns:
        An error whose message ends in the command that installs the extra, also from a checkout.

    Example:
        >>> raise missing_extra("Parquet needs pyarrow", "parquet")
        InputError: Parquet needs pyarrow. Install it: pip install 'keras-sister[parquet]'
    """
    in_checkout = (_CHECKOUT / "pyproject.toml").is_file() and (_CHECKOUT / "setup.py").is_file()
    requirement = f"{_CHECKOUT}[{extra}]" if in_checkout else f"keras-sister[{extra}]"
    return InputError(f"{what}. Install it: pip install {'-e ' if in_checkout else ''}'{requirement}'")


def require(packages: tuple[str, ...], what: str, extra: str) -> None:
    """Check that optional packages are installed, without importing them.

    Raises:
        InputError: naming the command that installs the extra.
    """
    if not all(find_spec(package) for package in packages):
        raise missing_extra(what, extra)
