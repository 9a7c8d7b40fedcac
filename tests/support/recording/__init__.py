"""Recorded responses of the real engine: written by `make record`, replayed by tests."""
