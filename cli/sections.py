"""``--help`` in sections: many options are read by their headings."""

from collections.abc import Mapping, Sequence
from typing import Any

import click


class SectionedCommand(click.Command):
    """A command whose options are listed under headings.

    Args:
        sections: Option names by heading, in the order of the page. Options not named there come first, as "Options".
        notes: One line of text below the options of a heading.
    """

    def __init__(
        self, *args: Any, sections: Mapping[str, Sequence[str]], notes: Mapping[str, str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.sections = sections
        self.notes = notes or {}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options of each section."""
        options = [parameter for parameter in self.get_params(ctx) if isinstance(parameter, click.Option)]
        records = {option.name: record for option in options if (record := option.get_help_record(ctx)) is not None}
        placed = {name for names in self.sections.values() for name in names}
        sections = {"Options": [name for name in records if name not in placed], **self.sections}
        column = min(30, max(len(option) for option, _ in records.values()))
        for title, names in sections.items():
            rows = [records[name] for name in names if name in records]
            if not rows:
                continue
            with formatter.section(title):
                # One width of the first column for all sections: they read as one table.
                formatter.write_dl([(option.ljust(column), text) for option, text in rows])
                if title in self.notes:
                    formatter.write_paragraph()
                    formatter.write_text(self.notes[title])
