"""Schedules of pumps against a time-of-use tariff, learned from logs within safe levels."""
