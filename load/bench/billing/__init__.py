"""Billing under a month's usage: how long closing takes, and what reading costs meanwhile."""
