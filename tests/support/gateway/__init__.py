"""Helpers for tests of the gateway: clients, commands, faults and customers."""
