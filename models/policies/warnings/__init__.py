"""When to warn of a failure: rules learned from a machine's history, by the costs of errors."""
