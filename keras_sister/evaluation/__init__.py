"""What the saved predictions of runs say: which system is better, and whether the difference is real."""
