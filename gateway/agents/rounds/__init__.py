"""Inspection rounds: a route of assets with questions, its answers, and the report about them."""
