"""Pages of agents: list, creation from a template, one agent with its decisions, and changes."""
