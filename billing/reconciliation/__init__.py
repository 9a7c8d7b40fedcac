"""Read-only checks that usage rows, totals, quotas, invoices, ledger and collector agree."""
