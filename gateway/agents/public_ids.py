"""Prefixes of the public ids of agents, their ticks and their actions."""

AGENT = "agent"
TICK = "tick"
ACTION = "act"
