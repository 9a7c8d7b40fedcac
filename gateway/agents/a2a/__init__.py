"""Agents through the Agent2Agent protocol, version 1.0, as JSON-RPC: cards, messages, tasks."""
