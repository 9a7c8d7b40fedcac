"""Resolution of identifiers over nodes, and traces over events."""
