"""What Dify's provider "OpenAI-API-compatible" sends, and what it reads of the answers.

Facts of the plugin langgenius/openai_api_compatible 0.0.64 and of the model classes of its SDK.
"""
