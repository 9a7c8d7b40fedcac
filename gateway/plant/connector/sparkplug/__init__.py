"""Sparkplug B: payloads, births and deaths of edge nodes, and readings of their metrics."""
