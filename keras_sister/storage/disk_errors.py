"""Errors of the operating system as messages: the file, the reason, and the way out."""

import errno
import os

from keras_sister.errors import InputError, reason_of
from keras_sister.storage.cache import cache_folder
from keras_sister.storage.leftovers import aside_prefix

_FULL = (errno.ENOSPC, errno.EDQUOT)


def disk_error(error: OSError) -> InputError:
    """The message for an error of the operating system, in one line.

    Args:
        error: with or without a file name. Inside the cache folder the message names the variable that moves it.

    Example:
        >>> disk_error(PermissionError(13, "Permission denied", "/root/.cache/keras-sister/views"))
        InputError('/root/.cache/keras-sister/views: Permission denied. Set KERAS_SISTER_CACHE to a folder that …')
    """
    reason, place = reason_of(error), _place(error)
    return InputError(f"{place}: {reason}.{_way_out(error, place)}" if place else f"{reason}.{_way_out(error, place)}")


def _place(error: OSError) -> str:
    """The file that could not be read or written, by the name that it gets when it is complete; empty if unknown."""
    # Where a copy fills the disk, the second name is the file that was to be written.
    file = error.filename2 if error.errno in _FULL and error.filename2 is not None else error.filename
    named = isinstance(file, str | bytes | os.PathLike)
    return os.fsdecode(file).replace(aside_prefix(), "") if named else ""


def _way_out(error: OSError, place: str) -> str:
    full = " Free some space and start the command again, a run with --resume." if error.errno in _FULL else ""
    try:
        cache = cache_folder()
    except InputError:
        return full
    # A parent of the cache folder, too: it is what could not be created.
    if place and (cache.is_relative_to(place) or os.path.abspath(place).startswith(os.path.abspath(cache))):  # noqa: PTH100
        return f"{full} Set KERAS_SISTER_CACHE to a folder that can be written to; the cache is now {cache}."
    return full
