"""Errors of the operating system as messages: the file, the reason, and the way out."""

import errno
import os

from keras_sister.errors import InputError, reason_of
from keras_sister.storage.cache import cache_folder

_FULL = (errno.ENOSPC, errno.EDQUOT)


def disk_error(error: OSError) -> InputError:
    """The message for an error of the operating system, in one line.

    Args:
        error: with or without a file name. Inside the cache folder the message names the variable that moves it.

    Example:
        >>> disk_error(PermissionError(13, "Permission denied", "/root/.cache/keras-sister/views"))
        InputError('/root/.cache/keras-sister/views: Permission denied. Set KERAS_SISTER_CACHE to a folder that …')
    """
    reason = reason_of(error)
    named = isinstance(error.filename, str | bytes | os.PathLike)
    place = os.fsdecode(error.filename) if named else ""
    return InputError(f"{place}: {reason}.{_way_out(error, place)}" if place else f"{reason}.{_way_out(error, place)}")


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
