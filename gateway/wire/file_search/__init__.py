"""`file_search` in chats: the tool, passages in prompts, and answers with citations."""
