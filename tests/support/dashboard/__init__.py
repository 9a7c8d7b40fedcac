"""Helpers for tests of the dashboard: reading pages, with and without a browser."""
