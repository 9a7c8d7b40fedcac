"""Knowledge graph of an account's plant: RDF triples and read-only SPARQL queries."""
