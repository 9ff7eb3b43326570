"""Read the first sheet of an Excel workbook.

Of merged cells a file holds the first one's value only. Whoever merged them meant it for all of them, so it is filled
in, except in the row of headings. A formula has the value that Excel stored with it; if none is stored, that is said.
"""

import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

from keras_sister.data.cells import cell_text
from keras_sister.errors import InputError, counted
from keras_sister.extras import missing_extra

_SHEETS = re.compile(r"xl/worksheets/[^/]+\.xml")
_CHUNK = 1 << 20
_OVERLAP = 1 << 10  # bytes; longer than what is looked for
_MERGED = b"<mergeCell "
_NOT_COMPUTED = re.compile(
    rb'<c (?![^>]*t="str")[^>]*>(?:<f[^>]*/>|<f[^>]*>[^<]*</f>)(?:<v\s*/>|<v></v>)?</c>'  # a text may be empty
)


def read_excel(path: Path) -> tuple[list[tuple[str, ...]], str]:
    """Read a workbook.

    Returns:
        The cells of every row, all of one length; and what was found, such as ``Excel, sheet 'spring' of 3``.

    Raises:
        InputError: if openpyxl is not installed, or the file is damaged.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise missing_extra(f"{path}: Excel needs openpyxl", "excel") from error
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")  # about drop-down lists and other features that are not cells
            merged, not_computed = _scan(path)
            # Without read_only, which knows no merged cells, a large sheet takes much longer.
            book = openpyxl.load_workbook(file, read_only=not merged, data_only=True)
            sheet = book.worksheets[0]
            if not merged:
                sheet.reset_dimensions()  # some writers note wrong ones
            filled = _fill_merged(sheet) if merged else 0
            rows = [tuple(cell_text(cell) for cell in row) for row in sheet.iter_rows(values_only=True)]
    except OSError:
        raise
    except Exception as error:
        # openpyxl raises KeyError, ValueError, XML errors and others for damaged files.
        raise InputError(f"{path}: not a readable .xlsx file (damaged, or protected by a password).") from error
    width = max((len(row) for row in rows), default=0)
    which = f", sheet '{sheet.title}' of {len(book.worksheets)}" if len(book.worksheets) > 1 else ""
    which += f", {counted(filled, 'group')} of merged cells filled" if filled else ""
    if not_computed:
        which += f", {counted(not_computed, 'formula')} without a value count as blank (save the file in Excel)"
    return [row + ("",) * (width - len(row)) for row in rows], f"Excel{which}"


def _scan(path: Path) -> tuple[bool, int]:
    """Whether a sheet has merged cells, and the number of formulas without a value, from the XML of all sheets."""
    merged, not_computed = False, 0
    with zipfile.ZipFile(path) as archive:
        for name in filter(_SHEETS.fullmatch, archive.namelist()):
            with archive.open(name) as sheet:
                rest = b""
                while chunk := sheet.read(_CHUNK):
                    text = rest + chunk
                    merged = merged or _MERGED in text
                    end = 0
                    for found in _NOT_COMPUTED.finditer(text):
                        not_computed, end = not_computed + 1, found.end()
                    rest = text[max(end, len(text) - _OVERLAP) :]
    return merged, not_computed


def _fill_merged(sheet: Any) -> int:
    """Give all of merged cells their value. Returns the number of merged groups below the headings."""
    areas = [area for area in sheet.merged_cells.ranges if area.min_row > 1]
    for area in list(areas):
        value = sheet.cell(area.min_row, area.min_col).value
        sheet.unmerge_cells(str(area))
        for row in sheet.iter_rows(area.min_row, area.max_row, area.min_col, area.max_col):
            for cell in row:
                cell.value = value
    return len(areas)
