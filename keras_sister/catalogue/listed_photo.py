"""One photo of a catalogue, as the input lists it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True)
class ListedPhoto:
    """A photo, or an input row that names none: each becomes one row of the table.

    Attributes:
        text: what the input says, such as the cell of a CSV file; the table is joined with the input by it.
        path: the file to read.
        kept: the input's values of the columns to carry through.
        error: why there is no file to read; None if there may be one.
    """

    text: str
    path: str = ""
    kept: tuple[str, ...] = ()
    error: str | None = None

    @property
    def photos(self) -> "tuple[ListedPhoto, ...]":
        """The photos of its row: itself alone, where a product has several."""
        return (self,)

    @property
    def identity(self) -> str:
        """Everything that the row of this photo depends on, except the contents of its file."""
        return "\0".join((self.text, self.path, *self.kept))


def listed(text: str, *, folder: Path | None = None, kept: tuple[str, ...] = ()) -> ListedPhoto:
    """A row of the input: a photo, or an error where it is blank or a URL.

    Args:
        text: a path.
        folder: the folder that `text` is relative to; by default the working folder.
        kept: see `ListedPhoto`.

    Example:
        >>> listed("https://shop.example/1.jpg").error
        'a URL; download the photo and name its file'
    """
    if not text.strip():
        return ListedPhoto(text, kept=kept, error="no photo is named")
    if _URL.match(text):
        return ListedPhoto(text, kept=kept, error="a URL; download the photo and name its file")
    return ListedPhoto(text, text if folder is None else str(folder / text), kept)


def existing(photo: ListedPhoto, folder: Path, encoding: str = "utf-8") -> ListedPhoto:
    """The photo; where only a file exists without the blanks around the cell, that file.

    The same for one whose name has the bytes of the cell, as in old archives.

    Args:
        photo: see `listed`.
        folder: the folder that its text is relative to.
        encoding: that of the table.
    """
    if photo.error or os.path.exists(photo.path):  # noqa: PTH110 - Path.exists raises for a name that is too long
        return photo
    names = [photo.text.strip()]
    if encoding in ("cp1252", "latin-1"):
        names.append(os.fsdecode(photo.text.strip().encode(encoding)))
    found = next((folder / name for name in names if os.path.exists(folder / name)), None)  # noqa: PTH110
    return photo if found is None else ListedPhoto(photo.text, str(found), photo.kept)
