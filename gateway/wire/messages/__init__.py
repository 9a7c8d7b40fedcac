"""Anthropic's Messages API: requests to chat requests, chat responses to messages.

Chat is the internal form: models are called, metered and checked in it.
"""
