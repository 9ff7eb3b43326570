"""The page of ``sister-keras app``: try a model on a photo, see where it looks, and keep corrections."""
