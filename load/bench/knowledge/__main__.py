"""`python -m load.bench.knowledge`: what is found, by the real encoder on an embedded PostgreSQL.

Owns the run: recall at 5 by meaning alone, by words alone and by both, over the corpora beside the
repository, and how long the queries take. One thread encodes.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gateway.retrieval import hybrid_search
from gateway.retrieval.chunking import split_document
from gateway.retrieval.extractors import Document
from gateway.retrieval.hybrid_search import SearchOptions, SearchQuery, SearchScope
from gateway.retrieval.lexemes import query_terms
from gateway.retrieval.store_files import resolve_chunking
from gateway.retrieval.token_length import token_counter
from gateway.retrieval.vector_stores import select_embedding_model
from infra.database.database import Database
from infra.database.embedded_postgres import start_postgres
from infra.database.migrate import migrate
from load.bench.knowledge.corpora import Corpus, corpora
from load.bench.knowledge.filling import fill
from models.catalog import load_catalog
from models.multilingual import PackagedEncoder, Vectors, load_encoder

_WAYS = {
    "meaning": SearchOptions(5, keyword_weight=0.0),
    "words": SearchOptions(5, vector_weight=0.0),
    "both": SearchOptions(5),
}


def main() -> None:
    """Measure, print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m load.bench.knowledge", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data = parser.parse_args().data
    with tempfile.TemporaryDirectory(prefix="maas-bench-") as folder:
        server = start_postgres(Path(folder) / "postgres")
        try:
            migrate(server.url)
            asyncio.run(_measure(server.url, corpora(data)))
        finally:
            server.stop()


async def _measure(url: str, measured: list[Corpus]) -> None:
    database, encoder = Database(url), load_encoder()
    sys.stdout.write(
        "| what | passages | questions | meaning | words | both | ms p50, p99 of both |\n|"
        + "---|" * 7
        + "\n"
    )
    known: dict[str, Vectors] = {}
    for corpus in measured:
        began, idle = time.perf_counter(), time.thread_time()
        cut = _cut(corpus)
        new = [text for text, _ in cut if text not in known]
        known |= {text: encoder.passages([text])[0] for text in new}
        took, worked = time.perf_counter() - began, time.thread_time() - idle
        tokens = sum(map(encoder.tokens, new))
        sys.stderr.write(f"{len(new)} pieces, {tokens} tokens, {took:.0f} s, {worked:.0f} s CPU\n")
        sys.stdout.write(await _line(database, encoder, corpus, cut, known))
        sys.stdout.flush()
    await database.close()


def _cut(corpus: Corpus) -> list[tuple[str, int]]:
    """As files are cut; each piece with the number of its passage."""
    model = select_embedding_model(load_catalog("cpu"))
    how, count = resolve_chunking(None, model), token_counter(model)
    return [
        (piece, number)
        for number, text in enumerate(corpus.passages)
        for piece in split_document(Document(text), how.size, how.overlap, count)
    ]


async def _line(
    database: Database,
    encoder: PackagedEncoder,
    corpus: Corpus,
    cut: Sequence[tuple[str, int]],
    known: Mapping[str, Vectors],
) -> str:
    texts, of = [text for text, _ in cut], [number for _, number in cut]
    vectors = np.vstack([known[text] for text in texts])
    filled = await fill(database, load_catalog("cpu"), texts, vectors)
    scope = SearchScope(filled.account_id, [filled.store_id])
    found, took = dict.fromkeys(_WAYS, 0), []
    for text, answer in corpus.questions:
        question = SearchQuery(encoder.vectors([text])[0].tolist(), query_terms(text))
        for way, wanted in _WAYS.items():
            began = time.perf_counter()
            async with database.transaction() as session:
                best = await hybrid_search.rank_chunks(session, scope, [question], wanted)
            if way == "both":
                took.append(1000 * (time.perf_counter() - began))
            found[way] += answer in [of[filled.positions[piece]] for piece, _ in best]
    recalls = " | ".join(f"{found[way] / len(corpus.questions):.3f}" for way in _WAYS)
    return (
        f"| {corpus.name} | {len(corpus.passages)} | {len(corpus.questions)} | {recalls} "
        f"| {statistics.median(took):.1f}, {statistics.quantiles(took, n=100)[98]:.1f} |\n"
    )


if __name__ == "__main__":
    main()
