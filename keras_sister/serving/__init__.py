"""SavedModels: export, and tagging photos with one."""
