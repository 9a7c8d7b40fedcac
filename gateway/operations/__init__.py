"""Changes that operators make to accounts: idempotent and audited."""
