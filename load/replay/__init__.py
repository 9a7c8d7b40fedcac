"""Replay of public traces of language models: their arrival times and token counts."""
