"""Load and benchmarks. Imports none of the product's packages: it speaks HTTP, as clients do."""
