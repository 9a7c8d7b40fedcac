"""Helpers for tests of outcome contracts: terms, evidence and request bodies."""
