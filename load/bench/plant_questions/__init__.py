"""How many questions about a generated plant are answered rightly."""
