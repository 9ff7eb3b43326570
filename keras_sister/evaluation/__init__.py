"""Scores and comparisons of runs, from their out-of-fold predictions. Neither TensorFlow nor Keras."""
