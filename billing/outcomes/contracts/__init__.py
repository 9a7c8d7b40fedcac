"""Outcome contracts: terms, versions, agreement, baseline gates, attribution and pricing."""
