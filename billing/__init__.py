"""Money and time: rating, usage, accounts and keys as the ledger sees them.

Owns no web framework, no model and no engine.
"""
