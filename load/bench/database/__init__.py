"""What calls cost in PostgreSQL, and how many of them it can write."""
