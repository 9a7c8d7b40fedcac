"""Replicas of an engine, simulated: how many a trace needs, and what scaling settings give."""
