"""Answer typed questions: plan who answers which, ask specialists and the language model."""
