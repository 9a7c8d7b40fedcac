"""Request and response shapes: OpenAI, Open Inference Protocol and server-sent events."""
