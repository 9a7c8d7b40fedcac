"""Payment collection: dunning, line disputes and the payment provider."""
