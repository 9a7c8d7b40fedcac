"""What was used and what may be: usage rows, kept answers, quotas and their leases."""
