"""Models of series with own columns: class of a course, remaining life of a machine."""
