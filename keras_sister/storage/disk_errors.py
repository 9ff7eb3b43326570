"""Errors of the operating system as messages: the file, the reason, and the way out."""

import errno
import os

from keras_sister.errors import InputError, is_disk_full, reason_of
from keras_sister.storage.cache import cache_folder
from keras_sister.storage.leftovers import aside_prefix

_FULL = (errno.ENOSPC, errno.EDQUOT)


def disk_error(error: Exception) -> InputError:
    """The message for an error of the operating system, or of a library that met a full disk, in one line.

    Args:
        error: an `OSError` with or without a file name, or one of `keras_sister.errors.is_disk_full`. Inside the cache
            folder the message names the variable that moves it.

    Example:
        >>> disk_error(PermissionError(13, "Permission denied", "/root/.cache/keras-sister/views"))
        InputError('/root/.cache/keras-sister/views: Permission denied. Set KERAS_SISTER_CACHE to a folder that …')
    """
    reason, place = reason_of(error), _place(error)
    return InputError(f"{place}: {reason}.{_way_out(error, place)}" if place else f"{reason}.{_way_out(error, place)}")


def _place(error: Exception) -> str:
    """The file that could not be read or written, by the name that it gets when it is complete; empty if unknown."""
    if not isinstance(error, OSError):
        return ""
    # Where a copy fills the disk, the second name is the file that was to be written.
    file = error.filename2 if error.errno in _FULL and error.filename2 is not None else error.filename
    named = isinstance(file, str | bytes | os.PathLike)
    return os.fsdecode(file).replace(aside_prefix(), "") if named else ""


def _way_out(error: Exception, place: str) -> str:
    is_full = is_disk_full(error) or (isinstance(error, OSError) and error.errno in _FULL)
    full = " Free some space and start the command again, a run with --resume." if is_full else ""
    try:
        cache = cache_folder()
    except InputError:
        return full
    # A parent of the cache folder, too: it is what could not be created.
    if place and (cache.is_relative_to(place) or os.path.abspath(place).startswith(os.path.abspath(cache))):  # noqa: PTH100
        return f"{full} Set KERAS_SISTER_CACHE to a folder that can be written to; the cache is now {cache}."
    return full
