"""Write the help of every command to one Markdown page, or check that the page is up to date.

python scripts/help_page.py docs/cli.md            # write
python scripts/help_page.py --check docs/cli.md    # exit code 1 if it is outdated
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from cli.main import main


def page() -> str:
    parts = ["# The command line", "", "Written by `make docs` from the commands themselves.", ""]
    for path, text in helps(main, "sister-keras"):
        parts += [f"## {path}", "", "```text", text, "```", ""]
    return "\n".join(parts)


def helps(command: click.Command, path: str, parent: click.Context | None = None) -> Iterator[tuple[str, str]]:
    context = click.Context(command, info_name=path.rsplit(" ", 1)[-1], parent=parent, terminal_width=100)
    yield path, "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from helps(child, f"{path} {name}", context)


if __name__ == "__main__":
    target = Path(sys.argv[-1])
    if "--check" not in sys.argv:
        target.write_text(page(), encoding="utf-8")
    elif target.read_text(encoding="utf-8") != page():
        sys.exit(f"{target} is outdated; run `make docs`.")
