"""Replay of an agent on its asset's history: what it would have done, cost and saved."""
