"""Agents of the machining firm: a month of a pump monitor, an inspection round and a team."""
