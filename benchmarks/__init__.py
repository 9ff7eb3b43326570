"""What is said about speed, measured; see README.md."""
