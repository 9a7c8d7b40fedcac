"""The installation's secret key, and encryption of stored values."""
