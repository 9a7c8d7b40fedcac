"""What agents saved: expected by their decisions, and observed by recorded events."""
