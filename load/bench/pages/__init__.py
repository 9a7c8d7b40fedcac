"""Latency of the dashboard's pages with ten million calls."""
