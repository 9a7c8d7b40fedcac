"""Incidents of the platform: opened, updated and resolved by operators, read by customers."""
