"""Payment collection: dunning, line disputes, and invoices collected by a collector."""
