"""Pages of people, keys and signing in."""
