"""How quick the dashboard's pages are with ten million calls."""
