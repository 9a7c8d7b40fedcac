"""Who is billed, and how: accounts and their billing profiles."""
