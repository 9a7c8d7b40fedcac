"""Agents that learn: feedback and outcomes, policies with their promotion, limits, transfer."""
