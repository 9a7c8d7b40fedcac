"""Contextual bandits: which action costs least in a situation, learned from what actions cost."""
