"""Damaged files, drawn by Hypothesis so that what fails can be made small."""

from typing import Any

from hypothesis import strategies as st

_WORTHWHILE = [
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff\xff\xff\x7f",
    b"\x00\x00\x00\x80",
    b"\xff" * 8,
    b"\n",
    b"e9",
    b"-",
]


@st.composite
def mutated(draw: Any, wholes: dict[str, bytes]) -> tuple[str, bytes]:
    """One of some files, with up to six damages."""
    name = draw(st.sampled_from(sorted(wholes)))
    contents = wholes[name]
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, max(0, len(contents) - 1)))
        kind = draw(st.sampled_from(["flip", "overwrite", "insert", "drop", "repeat", "cut", "splice"]))
        if kind == "flip" and contents:
            flipped = contents[place] ^ 1 << draw(st.integers(0, 7))
            contents = contents[:place] + bytes([flipped]) + contents[place + 1 :]
        elif kind in ("overwrite", "insert"):
            piece = draw(st.sampled_from(_WORTHWHILE) | st.binary(min_size=1, max_size=8))
            contents = contents[:place] + piece + contents[place + (len(piece) if kind == "overwrite" else 0) :]
        elif kind == "drop":
            contents = contents[:place] + contents[place + draw(st.integers(1, 64)) :]
        elif kind == "repeat":
            piece = contents[place : place + draw(st.integers(1, 64))]
            contents = contents[:place] + piece * draw(st.integers(2, 20)) + contents[place:]
        elif kind == "cut":
            contents = contents[:place]
        elif kind == "splice":
            other = wholes[draw(st.sampled_from(sorted(wholes)))]
            contents = contents[:place] + other[draw(st.integers(0, len(other))) :]
    return name, contents


def from_tokens(tokens: tuple[str, ...]) -> st.SearchStrategy[bytes]:
    """Text that is made of pieces, with any text between."""
    pieces = st.lists(st.sampled_from(tokens) | st.text(max_size=6), max_size=40)
    return pieces.map(lambda drawn: "".join(drawn).encode("utf-8", "surrogatepass"))
