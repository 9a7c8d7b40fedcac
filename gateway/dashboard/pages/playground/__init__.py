"""The playground: a chat with a model in the browser."""
