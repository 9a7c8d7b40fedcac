"""Polling intervals in seconds for health checks and draining of Ray Serve replicas."""

# How often a stopping replica checks whether its requests have ended. Ray's default of 2 s also
# delays an idle replica, so Ctrl-C would take that long.
DRAIN_POLL_S = 0.1
# Ray's default of 10 s leaves a dead replica unnoticed for as long.
HEALTH_PERIOD_S = 2.0
