"""Outbound traffic: mail, signed webhooks, allowed addresses and name resolution."""
