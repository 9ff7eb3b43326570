"""What can be chosen for a review, without importing anything."""

FORMATS = ("label-studio", "fiftyone")
"""The tools that flagged labels are written for."""
