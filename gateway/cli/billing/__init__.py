"""Commands of billing: settings, invoices, plans, wallets, usage, margin, reconciliation."""
