"""A language model's opinion on whether a line answers, where the judge of lines is in doubt."""
