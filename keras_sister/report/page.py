"""Write the page of one or several runs.

Charts are HTML bars and SVG lines of our own templates, not a plotting library's: they follow dark mode, reflow on a
phone, are read out as tables, and a page without photos is about 100 kB.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from keras_sister import __version__
from keras_sister.errors import InputError
from keras_sister.evaluation.comparison import Comparison, compare_with_first, group_by_seed
from keras_sister.evaluation.paired import shown_p
from keras_sister.report.content import Finding, RunContent, distinct_names, photos_named, run_content
from keras_sister.report.issues_section import issue_facts
from keras_sister.run import Run
from keras_sister.storage.json_files import write_text

_MOST_PHOTOS = 24  # of a kind, on the whole page
_FEWEST_PHOTOS = 6  # of a kind and run


@dataclass(frozen=True)
class RunSection:
    """One run on the page.

    Attributes:
        content: its numbers.
        nobody: photos in which no person was found that are shown as pictures.
        issues: flagged labels that are shown as pictures.
        pictures: see `keras_sister.report.pictures.thumbnails`.
        without_pictures: why there are none; empty if there are.
    """

    content: RunContent
    nobody: list[Finding]
    issues: list[Finding]
    pictures: dict[int, dict[str, str]]
    without_pictures: str


def write_report(folders: Sequence[Path], out: Path) -> list[str]:
    """Write the page of finished runs as one HTML file that needs nothing else.

    Args:
        folders: one run, or several with the same photos, labels and folds, which are compared with the first.
        out: the file to write.

    Returns:
        Notes for the user: for each run whose photos could not be shown, why. The page says it too.

    Raises:
        InputError: if a run has not ended, a file is damaged, or the runs cannot be compared.
        OSError: if `out` cannot be written.

    Example:
        >>> write_report([Path("runs/sister_a")], Path("runs/sister_a/report.html"))
        []
    """
    shown = max(_FEWEST_PHOTOS, _MOST_PHOTOS // len(folders))
    names = distinct_names(list(folders))
    contents = [run_content(Run(f), name=name, shown=shown) for f, name in zip(folders, names, strict=True)]
    comparisons = _comparisons(contents)
    sections = [_section(content, shown) for content in contents]
    html = (
        environment()
        .get_template("page.html.j2")
        .render(sections=sections, comparisons=comparisons, version=__version__)
    )
    # Names in bytes that are not UTF-8 are shown as `keras_sister.photo_files.printable_path` does.
    write_text(out, html.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
    return [f"{s.content.name}: the page shows no photos: {s.without_pictures}" for s in sections if s.without_pictures]


def _comparisons(contents: Sequence[RunContent]) -> list[Comparison]:
    """Each system compared with the first; none of a single run, or of seeds of one system."""
    if len(contents) == 1:
        return []
    return compare_with_first(group_by_seed([content.predictions for content in contents]))


def _section(content: RunContent, shown: int) -> RunSection:
    from keras_sister.report.pictures import thumbnails  # starts TensorFlow

    nobody = photos_named(content.run, (content.nobody or [])[:shown])
    flagged = content.issues.flagged[:shown] if content.issues else []
    issues = [Finding(issue.row, issue.photo, issue_facts(issue)) for issue in flagged]
    try:
        pictures, why = thumbnails(content.run, _rows(content.mistakes, nobody, issues)), ""
    except InputError as error:
        pictures, why = {}, str(error).splitlines()[0]
    return RunSection(content, nobody, issues, pictures, why)


def _rows(*findings: Iterable[Finding]) -> list[int]:
    return [finding.row for kind in findings for finding in kind]


def environment() -> jinja2.Environment:
    """The environment of the page's templates."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keras_sister.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "duration": duration, "p_value": shown_p}
    return environment


def percent(value: float | None, digits: int = 1) -> str:
    """A share in [0, 1] as percent; a dash for None."""
    return "–" if value is None else f"{100 * value:.{digits}f}"


def duration(seconds: float) -> str:
    """Seconds as text: ``42 s``, ``3 min``, ``2.5 h``."""
    minutes, hours = seconds / 60, seconds / 3600
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes:.0f} min" if minutes < 90 else f"{hours:.1f} h"
