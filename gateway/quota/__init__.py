"""Quota leases of one process: demand, local leases, leasing and the process heartbeat."""
