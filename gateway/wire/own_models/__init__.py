"""Requests about models of an account's own: comparisons, observed results, shadows, retraining."""
