"""Scheduling of pumps by agents: plan of the next slots, learned schedules, and what they save."""
