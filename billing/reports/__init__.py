"""Read models for dashboard pages and operators."""
