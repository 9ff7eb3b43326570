"""The metrics of pedestrian attributes as one line."""

_WORDS = {
    "mean_accuracy": "mA",
    "instance_accuracy": "by photo: accuracy",
    "instance_precision": "precision",
    "instance_recall": "recall",
    "instance_f1": "F1",
}


def pedestrian_line(scores: dict[str, float]) -> str:
    """Such as ``mA 81.20, by photo: accuracy 74.01, precision 83.14, recall 84.00, F1 83.57 (%)``."""
    return ", ".join(f"{words} {100 * scores[name]:.2f}" for name, words in _WORDS.items()) + " (%)"
