"""Endpoints of vector stores and their files."""
