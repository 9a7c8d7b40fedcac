"""Read-only checks that usage rows, totals, quotas, invoices, the ledger and Stripe agree."""
