"""The rows of an earlier table, to keep those of photos that have not changed."""

import errno
import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from keras_sister.catalogue.rows import FINGERPRINT
from keras_sister.catalogue.table_formats import Row


class PreviousRows:
    """Rows by their fingerprint, in a database file, so that tables of any size fit.

    Args:
        place: the file to make.
        rows: the rows of the earlier table.

    Raises:
        OSError: if the file cannot be written, naming it.
    """

    def __init__(self, place: Path, rows: Iterable[Row]) -> None:
        place.unlink(missing_ok=True)
        self._database = sqlite3.connect(place)
        try:
            self._write(rows)
        except sqlite3.OperationalError as error:  # whatever the operating system said, sqlite3 says this
            self.close()
            number = errno.ENOSPC if error.sqlite_errorcode == sqlite3.SQLITE_FULL else errno.EIO
            raise OSError(number, str(error), str(place)) from error

    def _write(self, rows: Iterable[Row]) -> None:
        self._database.execute("CREATE TABLE rows (fingerprint TEXT PRIMARY KEY, row TEXT)")
        self._database.executemany(
            "INSERT OR REPLACE INTO rows VALUES (?, ?)",
            ((row[FINGERPRINT], json.dumps(row)) for row in rows if row[FINGERPRINT]),
        )
        self._database.commit()

    def get(self, fingerprint: str) -> Row | None:
        """The row with a fingerprint, if there is one."""
        found = self._database.execute("SELECT row FROM rows WHERE fingerprint = ?", (fingerprint,)).fetchone()
        return json.loads(found[0]) if found else None

    def close(self) -> None:
        """Close the file."""
        self._database.close()
