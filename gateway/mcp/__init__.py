"""The tools of the MCP server at `/mcp`: specialists, search, agents, quotes, usage.

`protocol.py` alone knows the protocol and its SDK; the other modules know tools.
"""
