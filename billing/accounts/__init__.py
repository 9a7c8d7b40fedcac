"""Accounts, billing profiles, legal entities and parties."""
