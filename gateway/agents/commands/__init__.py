"""Commands of agents to machines: limits, one writer per point, delivery to connectors, undo."""
