"""Billing benchmark: closing a month, and reading usage from large tables."""
