"""Usage rows, quotas, leases and idempotency keys."""
