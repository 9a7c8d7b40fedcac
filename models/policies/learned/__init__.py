"""Policies for inspecting, waiting and stopping, learned from decisions with known outcomes."""
