"""Formats of readings in requests: JSON, CSV and InfluxDB line protocol."""
