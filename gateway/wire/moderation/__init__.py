"""OpenAI's moderations: requests, requests to moderation and guard models, and their verdicts."""
