"""Helpers for tests of billing: rows, queues and documents."""
