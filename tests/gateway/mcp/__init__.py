"""Tests of gateway/mcp and of the address `/mcp`."""
