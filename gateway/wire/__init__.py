"""The shapes on the wire: OpenAI's, the Open Inference Protocol's, server-sent events."""
