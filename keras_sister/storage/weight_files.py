"""Downloads of published weight files, each pinned by its SHA-256.

A file is used only after its hash was checked, so the source does not matter. An interrupted download resumes.
"""

import hashlib
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from keras_sister.errors import InputError
from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.cache import cache_folder

_CHUNK = 1 << 20
_TIMEOUT = 30  # seconds without a byte


@dataclass(frozen=True)
class WeightFile:
    """A published file.

    Attributes:
        name: the file's name.
        sha256: SHA-256 of the file, as hexadecimal digits.
        url: where the file is published.
    """

    name: str
    sha256: str
    url: str

    @property
    def cached(self) -> Path:
        """Its path in the cache. A file at this path has been checked."""
        return cache_folder() / "weights" / f"{self.sha256[:16]}-{self.name}"

    def store(self, contents: bytes) -> Path:
        """Check the file's contents and put them into the cache.

        Returns:
            The path in the cache.

        Raises:
            InputError: if `contents` have another hash.
        """
        found = hashlib.sha256(contents).hexdigest()
        if found != self.sha256:
            raise InputError(f"{self.name}: unexpected contents: SHA-256 {found}, expected {self.sha256}.")
        self.cached.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.cached, lambda path: path.write_bytes(contents))
        return self.cached

    def download(self) -> Path:
        """Download the file; an interrupted download resumes.

        Returns:
            The path in the cache.

        Raises:
            InputError: if the download fails, or the file has another hash.
        """
        part = self.cached.with_name(f"{self.cached.name}.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._fetch(part)
        except OSError as error:  # a URLError, too
            if not isinstance(error, urllib.error.URLError) and error.filename:
                raise  # of the disk, not of the network
            raise InputError(f"{self.url}: download failed: {getattr(error, 'reason', error)}.") from error
        contents = part.read_bytes()
        part.unlink()  # complete: if the hash does not match, the next attempt must start from the beginning
        return self.store(contents)

    def _fetch(self, part: Path) -> None:
        downloaded = part.stat().st_size if part.exists() else 0
        request = urllib.request.Request(self.url)  # noqa: S310 - our own constants
        if downloaded:
            request.add_header("Range", f"bytes={downloaded}-")
        try:
            response = urllib.request.urlopen(request, timeout=_TIMEOUT)  # noqa: S310
        except urllib.error.HTTPError as error:
            if error.code == 416:  # the part is already complete
                return
            raise
        with response, part.open("ab" if response.status == 206 else "wb") as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
        if response.length:  # bytes that were announced and did not arrive; reading in chunks does not tell
            raise OSError("the connection was lost; try again to resume")
