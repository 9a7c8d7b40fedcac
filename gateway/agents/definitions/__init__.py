"""Definitions of agents as versioned data: values, TOML and JSON, checks, and templates."""
