"""Training: cross-validation, the final model, and segmenters. Every task runs in a worker process and can resume."""
