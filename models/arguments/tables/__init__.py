"""Tables within a text: rows of columns, lines of name and value, and JSON."""
