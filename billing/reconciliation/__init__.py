"""Checks that usage rows, totals, ledger, invoices and Stripe agree. Read-only."""
