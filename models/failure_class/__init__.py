"""Machine-failure classifier for operating points of a milling machine, trained on AI4I 2020."""
