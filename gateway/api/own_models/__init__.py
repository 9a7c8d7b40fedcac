"""REST resources about models of an account's own after their training."""
