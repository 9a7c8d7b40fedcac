"""Tasks with labelled questions, from training sets, the handbook and made-up entries."""
