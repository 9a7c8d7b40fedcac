"""Customers' tables: read from CSV, Excel and JSON lines, with types, units and roles."""
