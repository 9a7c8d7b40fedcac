"""`maas agents`: manage agents of accounts, and decide about their actions."""
