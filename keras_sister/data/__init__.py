"""Photos and labels: datasets on disk, folds, the view store, and the ``tf.data`` pipeline."""
