"""Shared code of the attack scripts."""
