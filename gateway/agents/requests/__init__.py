"""Runs of agents outside of their schedule, and chains of agents that call each other."""
