"""Tests of readings of plant points."""
