"""Judge which line of a document answers a question, by what their words tell."""
