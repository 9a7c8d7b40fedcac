"""Endpoints of sign-up, which need no API key."""
