"""Discrete-event simulation of engine replicas: how many a trace needs, and how scaling settings
perform."""
