"""Pages of sign-up: form, texts, code, account."""
