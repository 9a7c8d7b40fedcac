"""The double-entry ledger and customer wallets."""
