"""Person segmentation and background removal."""
