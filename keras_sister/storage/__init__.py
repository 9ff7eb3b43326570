"""Files on disk: atomic writes, JSON, locks, the cache folder, and downloads of pinned weight files."""
