"""Invoice documents as PDF and CSV."""
