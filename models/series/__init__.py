"""Models of series with own columns: class of a time series, remaining life of a machine."""
