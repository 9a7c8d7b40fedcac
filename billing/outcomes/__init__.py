"""Outcome billing: customers pay for an effect that was agreed, measured and not disputed."""
