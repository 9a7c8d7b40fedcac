"""Machine failure from one operating point of a milling machine, learned from AI4I 2020."""
