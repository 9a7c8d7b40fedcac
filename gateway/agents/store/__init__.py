"""Agents, their ticks and actions as rows."""
