"""What other programs can ask of agents: the same skills through A2A and MCP."""
