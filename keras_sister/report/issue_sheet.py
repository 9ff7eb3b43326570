"""The contact sheet of a run's suspicious labels: both views of each photo, its label and what is suggested."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from keras_sister.evaluation.label_issues import LabelIssue
from keras_sister.report.pictures import view_pictures
from keras_sister.report.thumbnail import LARGEST
from keras_sister.run import Run
from keras_sister.storage.atomic import write_atomically

MOST = 60
"""Labels on a sheet, the most suspicious ones."""

_COLUMNS, _GAP, _LINE = 4, 8, 17
_LETTERS = 40  # of a line below two pictures
_FONT = 13


def write_issue_sheet(run: Run, flagged: Sequence[LabelIssue], out: Path) -> int:
    """Draw flagged labels.

    Args:
        run: the run.
        flagged: the flagged labels, the most suspicious first.
        out: the JPEG file to write; one of before is removed if no label is flagged.

    Returns:
        How many labels are on the sheet, at most `MOST`.

    Raises:
        InputError: if a photo is neither in the view store nor readable, or has changed.
        OSError: if `out` cannot be written.
    """
    shown = list(flagged[:MOST])
    if not shown:
        out.unlink(missing_ok=True)
        return 0
    pictures = view_pictures(run, (issue.row for issue in shown))
    sheet = draw_sheet([(caption(issue), list(pictures[issue.row].values())) for issue in shown])
    write_atomically(out, lambda path: sheet.save(path, quality=85))
    return len(shown)


def caption(issue: LabelIssue) -> tuple[str, str, str]:
    """The three lines below the pictures."""
    return (
        issue.photo,
        f"{issue.attribute}: labelled {issue.label}",
        f"suggested {issue.suggested}, {100 * issue.suggested_score:.1f} %",
    )


def draw_sheet(cells: list[tuple[tuple[str, str, str], list[Image.Image]]]) -> Image.Image:
    """Draw pictures with their captions, `_COLUMNS` a row."""
    views = max(len(pictures) for _, pictures in cells)
    width = max(views, 2) * (LARGEST + 2) + _GAP
    height = LARGEST + 3 * _LINE + 2 * _GAP
    columns = min(_COLUMNS, len(cells))
    size = (columns * width + _GAP, -(-len(cells) // columns) * height + _GAP)
    sheet = Image.new("RGB", size, (255, 255, 255))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT)
    for i, (lines, pictures) in enumerate(cells):
        left, top = (i % columns) * width + _GAP, (i // columns) * height + _GAP
        for j, picture in enumerate(pictures):
            sheet.paste(picture, (left + j * (LARGEST + 2), top))
        for j, line in enumerate(lines):
            short = line if len(line) <= _LETTERS else f"…{line[1 - _LETTERS :]}"
            draw.text((left, top + LARGEST + 3 + j * _LINE), short, fill=(20, 20, 20), font=font)
    return sheet
