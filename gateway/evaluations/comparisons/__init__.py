"""Comparisons of own and ready-made models on a table with known results."""
