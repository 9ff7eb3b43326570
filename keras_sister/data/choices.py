"""Choices of the dataset options, and names of dataset files; imported by the command line at its start."""

ON_UNKNOWN_VALUE = ("error", "unknown")
"""What a cell of a table is that fits no class: an error, or an unknown label."""

DATASET_FILE_SUFFIXES = (".yaml", ".yml")
"""How a dataset file is named."""
