"""The mixed load test of several small firms, run by locust."""
