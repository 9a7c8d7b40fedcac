"""Rules that refuse or mask words and personal data in the texts of calls: pure."""
