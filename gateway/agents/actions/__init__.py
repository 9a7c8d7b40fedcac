"""Actions of agents: created, approved where required, executed, and undone."""
