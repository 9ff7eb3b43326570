"""Benchmarks behind every statement about speed; see README.md."""
