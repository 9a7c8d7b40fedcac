"""Announced price changes of plans: notice to the accounts, and their move to the new version."""
