"""Shared code of all test packages: servers, databases, and their clients."""
