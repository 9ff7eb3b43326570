"""Suspicious labels, out to the tools in which people correct them and back into a dataset."""
