"""Where money is: the double-entry ledger and the wallets."""
