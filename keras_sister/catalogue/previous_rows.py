"""The rows of an earlier table, to keep those of photos that have not changed."""

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
    """

    def __init__(self, place: Path, rows: Iterable[Row]) -> None:
        place.unlink(missing_ok=True)
        self._database = sqlite3.connect(place)
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
