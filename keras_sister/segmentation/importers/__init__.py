"""Readers of published network files; each returns a plain Keras model."""
