"""The text of a proposed dataset file, with comments for whoever reviews it."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_sister.data.columns import Classes, Typo
from keras_sister.data.dataset_file import path_in_file
from keras_sister.data.propose import RARE, Proposal
from keras_sister.storage.yaml_files import yaml_scalar

_WIDTH = 110


def to_dataset_file(proposal: Proposal, out: Path) -> str:
    """Write a proposal as a dataset file.

    Args:
        proposal: what was found in the table.
        out: the file that the text is for; the paths in it are relative to its folder.

    Returns:
        YAML that `keras_sister.data.dataset_file.read_dataset_file` reads.
    """
    table = proposal.table
    missing = f", {proposal.missing:,} of them not found" if proposal.missing else ", all found"
    photos = len(set(table.column(proposal.photo)))
    lines = [
        "# Proposed by 'sister-keras data init'. Please review it, then: sister-keras data check " + out.name,
        *_comment(table.note),
        f"table: {yaml_scalar(path_in_file(table.path, out))}",
    ]
    if proposal.folder != table.path.parent:
        lines.append(
            f"folder: {yaml_scalar(path_in_file(proposal.folder, out))}  # the photos' paths are relative to it"
        )
    lines.append(f"photo: {yaml_scalar(proposal.photo)}  # {photos:,} photos{missing}")
    lines += _group_lines(proposal)
    tokens = ", ".join(f"{yaml_scalar(token)} {count:,}" for token, count in proposal.unknown.items())
    lines += [
        f"unknown: [{', '.join(yaml_scalar(token) for token in proposal.unknown)}]  # cells: {tokens}",
        "on_unknown_value: error  # or unknown: a cell that fits no class counts as unknown",
        "",
        "attributes:",
    ]
    for heading, (name, classes) in proposal.columns.items():
        lines += _column(heading, name, classes)
    if proposal.left_out:
        lines += ["", "# Left out:"]
        for heading, reason in proposal.left_out.items():
            lines += _comment(f"{heading}: {reason}", "#   ")
    return "\n".join(lines) + "\n"


def _group_lines(proposal: Proposal) -> list[str]:
    if proposal.group is None:
        return ["# group: COLUMN  # of product or person ids, if several photos show one; none was found"]
    low, high = min(proposal.group_sizes), max(proposal.group_sizes)
    photos = f"{low}" if low == high else f"{low} to {high}"
    return [
        f"group: {yaml_scalar(proposal.group)}"
        f"  # {len(proposal.group_sizes):,} groups of {photos} photos; never split between training and test"
    ]


def _column(heading: str, name: str, classes: Classes) -> list[str]:
    kind = "several values in a cell" if classes.separator else "binary" if len(classes.counts) == 2 else "multi-class"
    counts = ", ".join(f"{label} {count:,}" for label, count in classes.counts.items())
    lines = _comment(f"{kind}: {counts}; unknown {classes.unknown:,}", "  # ")
    rare = [label for label, count in classes.counts.items() if count < RARE]
    if rare:
        lines += _comment(f"rare, fewer than {RARE} photos: {', '.join(rare)}", "  # ")
    for typo in classes.typos:
        lines += _comment(f"please check: {describe_typo(typo)}", "  # ")
    if classes.separator:
        lines += _comment("a blank cell is unknown for all values; 'blank: none' makes it none of them", "  # ")
    listed = _list("values" if classes.separator else "classes", list(classes.counts))
    spellings = {**classes.spellings, **{typo.spelling: typo.meant for typo in classes.typos}}
    more = [f"    title: {yaml_scalar(heading)}"] if heading != name else []
    more += [f"    separator: {yaml_scalar(classes.separator)}"] if classes.separator else []
    more += _mapping("spellings", spellings)
    return [*lines, f"  {yaml_scalar(name)}:", *more, *listed]


def describe_typo(typo: Typo) -> str:
    """Such as ``'lnog' looks like a typo of 'long' (rows 17, 204)``."""
    rows = ", ".join(str(row) for row in typo.rows[:20]) + (", …" if len(typo.rows) > 20 else "")
    return f"'{typo.spelling}' looks like a typo of '{typo.meant}' ({'row' if len(typo.rows) == 1 else 'rows'} {rows})"


def _list(key: str, items: Sequence[str]) -> list[str]:
    text = f"{key}: [{', '.join(yaml_scalar(item) for item in items)}]"
    if len(text) < _WIDTH:
        return [f"    {text}"]
    return [f"    {key}:", *(f"      - {yaml_scalar(item)}" for item in items)]


def _mapping(key: str, content: Mapping[str, str]) -> list[str]:
    if not content:
        return []
    text = f"{key}: {{{', '.join(f'{yaml_scalar(k)}: {yaml_scalar(v)}' for k, v in content.items())}}}"
    if len(text) < _WIDTH:
        return [f"    {text}"]
    return [f"    {key}:", *(f"      {yaml_scalar(k)}: {yaml_scalar(v)}" for k, v in content.items())]


def _comment(text: str, mark: str = "# ") -> list[str]:
    one_line = "".join(c if c.isprintable() else " " for c in text)
    return textwrap.wrap(one_line, _WIDTH, initial_indent=mark, subsequent_indent=f"{mark}  ", break_long_words=False)
