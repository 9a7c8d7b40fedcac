"""Which SPARQL queries may be executed."""

import pytest

from gateway.plant.graph.errors import QueryInvalid
from gateway.plant.graph.query_text import MAX_QUERY_LENGTH, check_query


@pytest.mark.parametrize(
    "text",
    [
        "select * where { service <http://10.0.0.1/> { ?s ?p ?o } }",
        "SELECT * { ?s ?p ?o } # x\nSERVICE SILENT <urn:x> { }",
        "select * { ?s ?p 'a' . SeRvIcE ?x { ?a ?b ?c } }",
        "select * { ?s ?p 'it\\'s' . service <urn:a> {} }",
    ],
)
def test_service_is_refused_wherever_it_is_a_keyword(text):
    with pytest.raises(QueryInvalid, match="SERVICE"):
        check_query(text)


@pytest.mark.parametrize(
    "text",
    [
        "select ?service where { ?service ?p ?o }",
        "select * { ?s plant:service ?o }",
        "select * { ?s <urn:service> ?o }",
        "select * { ?s ?p 'out of service' }",
        'select * { ?s ?p """a "service" here""" }',
        "select * { ?s ?p ?o } # no service here",
    ],
)
def test_service_in_names_texts_and_comments_is_accepted(text):
    assert check_query(text) == text


@pytest.mark.parametrize("text", ["", " \n ", "s" * (MAX_QUERY_LENGTH + 1)])
def test_empty_and_long_queries_are_refused(text):
    with pytest.raises(QueryInvalid):
        check_query(text)
