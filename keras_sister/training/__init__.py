"""Fitting a model, cross-validation, and the run folder that holds what came of it."""
