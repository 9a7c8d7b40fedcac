"""Condition of a hydraulic rig's cooler, valve, pump and accumulator from one cycle."""
