"""What a request asks for, told from its words: which specialist's task, or language."""
