"""Adapting specialists to customers' lines, in OpenAI's shapes of files and fine-tuning jobs."""
