"""Answers to technicians' questions and to questions about documents, scored by the fixed rule."""
