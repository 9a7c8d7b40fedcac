"""Values of one call between stages: request, reservation, result, errors and tags."""
