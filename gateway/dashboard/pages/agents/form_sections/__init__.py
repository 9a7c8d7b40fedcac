"""Sections of an agent's form: team, commands, inspection route and pump schedule."""
