"""Requests and responses of `/v1/decisions`, in the shape of OpenAI's Decisions API."""
