"""Incidents of the platform."""
