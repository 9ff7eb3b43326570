"""Choices of the dataset options; imported by the command line for its help."""

ON_UNKNOWN_VALUE = ("error", "unknown")
"""What a cell of a table is that fits no class: an error, or an unknown label."""
