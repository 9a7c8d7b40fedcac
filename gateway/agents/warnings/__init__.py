"""Learned warning rules: when to warn of an event, learned from readings and past events."""
