"""Alignment that learns: proposals for new points in the background, trainings by confirmations."""
