"""Photos that a command is given: files and folders."""

from collections.abc import Iterable
from pathlib import Path

import click


def find(places: Iterable[Path]) -> list[Path]:
    """The photos in files and folders; says what is left out.

    Raises:
        InputError: for a folder without photos.
    """
    from keras_sister.photo_files import LeftOut, find_photos

    left_out = LeftOut()
    files = find_photos(places, left_out)
    if left_out:
        click.echo(left_out, err=True)
    return files
