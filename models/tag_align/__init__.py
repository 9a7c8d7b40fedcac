"""Raw plant tags to canonical concepts, learning from what a tenant confirms."""
