"""Weight files of others: pinned by their SHA-256, kept in the cache, and fetched so that a broken line loses nothing.

What a file says is used only after its hash was checked, so it does not matter by which way it came.
"""

import hashlib
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from keras_sister.atomic import write_aside
from keras_sister.cache import cache_folder
from keras_sister.errors import InputError

_CHUNK = 1 << 20
_TIMEOUT = 30  # seconds without a byte


@dataclass(frozen=True)
class WeightFile:
    """A file that somebody published.

    Attributes:
        name: of the file.
        sha256: of its bytes, in hexadecimal digits.
        url: where it is published.
    """

    name: str
    sha256: str
    url: str

    @property
    def kept(self) -> Path:
        """Its place in the cache; whatever is there was checked."""
        return cache_folder() / "weights" / f"{self.sha256[:16]}-{self.name}"

    def keep(self, contents: bytes) -> Path:
        """Put the file into the cache.

        Returns:
            Its place there.

        Raises:
            InputError: if `contents` are not those of the file.
        """
        found = hashlib.sha256(contents).hexdigest()
        if found != self.sha256:
            raise InputError(f"{self.name}: not the file that was pinned: SHA-256 {found}, not {self.sha256}.")
        self.kept.parent.mkdir(parents=True, exist_ok=True)
        write_aside(self.kept, lambda path: path.write_bytes(contents))
        return self.kept

    def download(self) -> Path:
        """Fetch the file; what an earlier, broken download left is not fetched again.

        Returns:
            Its place in the cache.

        Raises:
            InputError: if it cannot be fetched, or what came is another file.
        """
        part = self.kept.with_name(f"{self.kept.name}.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._fetch(part)
        except (OSError, urllib.error.URLError) as error:
            raise InputError(f"{self.url}: cannot be fetched: {getattr(error, 'reason', error)}.") from error
        contents = part.read_bytes()
        part.unlink()  # right or wrong, there is nothing to go on with
        return self.keep(contents)

    def _fetch(self, part: Path) -> None:
        begun = part.stat().st_size if part.exists() else 0
        request = urllib.request.Request(self.url)  # noqa: S310 - our own constants
        if begun:
            request.add_header("Range", f"bytes={begun}-")
        try:
            answer = urllib.request.urlopen(request, timeout=_TIMEOUT)  # noqa: S310
        except urllib.error.HTTPError as error:
            if error.code == 416:  # nothing is left to be fetched
                return
            raise
        with answer, part.open("ab" if answer.status == 206 else "wb") as file:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
        if answer.length:  # what was promised and did not come; reading in pieces does not tell
            raise OSError("the line broke; try again to go on")
