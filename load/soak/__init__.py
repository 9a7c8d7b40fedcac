"""Soak test: an hour of load with injected faults; no call may be lost and no process may leak
memory."""
