"""OpenAI's Responses API: requests as chats, and chat answers as responses or streaming events."""
