"""Agents that watch assets: they observe, predict, decide by expected cost, and act in limits."""
