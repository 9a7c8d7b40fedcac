"""Brick models in Turtle."""
