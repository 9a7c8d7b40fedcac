"""Values passed between the stages of a metered call, its reservation, errors and tags."""
