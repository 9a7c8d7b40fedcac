"""Quotas in a gateway process: demand, leases, borrowing and the process heartbeat."""
