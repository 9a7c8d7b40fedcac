"""Measuring knowledge: what is found by meaning, by words and by both, and how long it takes."""
