"""The runner of agents: claim due ones, observe, predict, decide, act, record."""
