"""Commands in the connector: verified limits, writes with read-back, dead-man timers, a journal."""
