"""Credit policies: decisions on credit limits, securities, and exposure of the whole book."""
