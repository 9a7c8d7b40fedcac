"""Identifier resolution: codes, signed statements, resolution over nodes, and labels."""
