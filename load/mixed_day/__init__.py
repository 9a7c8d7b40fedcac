"""A mixed day of small firms, by locust."""
