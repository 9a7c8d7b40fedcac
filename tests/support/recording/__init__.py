"""Recorded answers of the real engine: `make record` writes them, tests replay them."""
