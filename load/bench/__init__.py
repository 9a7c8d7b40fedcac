"""Side-by-side measurements on one machine, in one run, told as ratios."""
