"""Read plant tags as names with a structure: paths, loop names and designations."""
