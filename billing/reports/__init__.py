"""Read-only reports for dashboard pages and operators."""
