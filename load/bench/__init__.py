"""Benchmarks that compare servers side by side on one machine, in one run, as ratios."""
