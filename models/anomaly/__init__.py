"""Anomaly detection on several sensors of a machine, fitted on its normal operation."""
