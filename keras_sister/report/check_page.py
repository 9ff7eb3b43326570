"""Write the page of a checked dataset: its contents, and a contact sheet of each kind of problem."""

from dataclasses import dataclass
from pathlib import Path

from keras_sister import __version__
from keras_sister.data.check import DatasetReport
from keras_sister.data.finding import KINDS, Finding
from keras_sister.report.page import environment
from keras_sister.report.thumbnail import photo_thumbnail
from keras_sister.storage.json_files import write_text

_MOST_FINDINGS = 60  # of a kind
_MOST_PHOTOS = 12  # of a finding
_MOST_PICTURES = 60  # of a kind, so that a page of all kinds stays below 5 MB


@dataclass(frozen=True)
class _Sheet:
    """One kind of findings: each with its photos, as file name and ``data:`` URI (None if it cannot be shown)."""

    kind: str
    heading: str
    findings: list[tuple[Finding, list[tuple[str, str | None]]]]
    total: int


def write_check_page(report: DatasetReport, out: Path) -> None:
    """Write the page as one HTML file that needs nothing else.

    Args:
        report: what `keras_sister.data.check.check_dataset` returned.
        out: the file to write.

    Raises:
        OSError: if `out` cannot be written.

    Example:
        >>> write_check_page(check_dataset("dataset.yaml"), Path("check.html"))
    """
    sheets = [_sheet(kind, report.findings) for kind in KINDS]
    html = (
        environment()
        .get_template("check.html.j2")
        .render(report=report, sheets=[sheet for sheet in sheets if sheet.total], version=__version__)
    )
    # File names may hold bytes that are not UTF-8, and cells halves of characters.
    write_text(out, html.encode("utf-8", "backslashreplace").decode())


def _sheet(kind: str, findings: list[Finding]) -> _Sheet:
    of_kind = [finding for finding in findings if finding.kind == kind]
    left = _MOST_PICTURES
    shown = []
    for finding in of_kind[:_MOST_FINDINGS]:
        most = left if len(of_kind) == 1 else min(left, _MOST_PHOTOS)
        photos = [(photo.name, photo_thumbnail(photo)) for photo in finding.photos[:most]]
        left -= len(photos)
        shown.append((finding, photos))
    return _Sheet(kind, KINDS[kind], shown, len(of_kind))
