"""Monitoring of a process with own columns: departures from its normal operation."""
