"""Where the texts of requests and answers are that a guard checks, and what replaces them."""
