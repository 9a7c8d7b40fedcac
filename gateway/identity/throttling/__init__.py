"""Throttling of attempts to sign in: lockout with exponential back-off, and its limits."""
