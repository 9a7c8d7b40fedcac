"""Projects of an account: names, archive, keys, members, service accounts and budgets."""
