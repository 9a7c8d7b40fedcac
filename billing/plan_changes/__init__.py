"""Plans on offer and plan changes with their price."""
