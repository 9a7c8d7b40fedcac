"""The pages of projects: the list, and one project with keys, people, budgets and usage."""
