"""When to inspect or stop a machine, by the expected cost of each action."""
