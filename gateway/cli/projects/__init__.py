"""`maas projects`: projects with budgets, keys, people and service accounts."""
