"""Pages of learned warning rules."""
