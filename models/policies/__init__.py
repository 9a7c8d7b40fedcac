"""Decision policies of agents: by expected cost, by bandits, and schedules learned from logs."""
