"""Engines: where the tasks of a cross-validation are performed."""
