"""Training and scoring of segmentation networks."""
