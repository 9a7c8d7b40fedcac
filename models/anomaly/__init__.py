"""Anomalies of several sensors together, told by a detector that is fitted on normal hours."""
