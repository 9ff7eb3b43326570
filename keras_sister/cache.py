"""Where things are kept that can be made or fetched again."""

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Where view stores and fetched weights lie: ``$KERAS_SISTER_CACHE``, or the user's cache folder."""
    return Path(os.environ.get("KERAS_SISTER_CACHE") or platformdirs.user_cache_dir("keras-sister"))
