"""Clients that need libraries of other versions than ours, in environments of their own."""
