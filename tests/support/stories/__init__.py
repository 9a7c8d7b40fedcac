"""Billing stories: accounts, plans, usage and a settable calendar."""
