"""Sign-up: companies open their account themselves, with a starting grant once."""
