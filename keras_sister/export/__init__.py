"""Export a trained model and its segmenter as one SavedModel, verified before it is published."""
