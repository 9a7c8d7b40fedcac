"""`/v1/agents`: agents that watch the account's assets, what they did, and their actions."""
