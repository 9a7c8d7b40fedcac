"""Calls that the gateway makes itself: for an account, linked to a parent, or in the shadow."""
