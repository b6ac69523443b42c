"""Agreements as code: AGREEMENTS -> DECISIONS.

What enters: YAML agreement files (a reading of a text, never the text) and things described by the columns of
`kuroshio.schema.ITEMS`. What leaves: a `Decision` with every step of its reason, for one thing or for a table of
millions; what a draft would change; who must sign; what an agreement asks and by when.

What it deliberately does not do: it sends nothing, coarsens nothing and records nothing (`exchange` and `record` do, on
its decisions); it knows no country, only the parties that files name; and it never guesses: what is missing is decided
by a named role, what is not permitted is denied.
"""

from __future__ import annotations

from kuroshio.accord.book import Book, load, parse
from kuroshio.accord.columns import Factored, factor
from kuroshio.accord.decisions import Decisions
from kuroshio.accord.derive import UNKNOWN_ACCORD, derive
from kuroshio.accord.dryrun import dry_run
from kuroshio.accord.faults import AccordFileError, Fault
from kuroshio.accord.incremental import Incremental
from kuroshio.accord.lifting import answers
from kuroshio.accord.lint import lint
from kuroshio.accord.model import ReleaseOrder
from kuroshio.accord.network import graph, reach, what_breaks
from kuroshio.accord.phrases import terms_in_words
from kuroshio.accord.routes import Route, routes
from kuroshio.accord.samples import draft_path, sample_paths
from kuroshio.accord.status import Standing
from kuroshio.accord.things import items_of_tracks
from kuroshio.accord.traces import decision_dict
from kuroshio.accord.versions import Versions
from kuroshio.accord.why import as_of, why

__all__ = [
    "UNKNOWN_ACCORD",
    "AccordFileError",
    "Book",
    "Decisions",
    "Factored",
    "Fault",
    "Incremental",
    "ReleaseOrder",
    "Route",
    "Standing",
    "Versions",
    "answers",
    "as_of",
    "decision_dict",
    "derive",
    "draft_path",
    "dry_run",
    "factor",
    "graph",
    "items_of_tracks",
    "lint",
    "load",
    "parse",
    "reach",
    "routes",
    "sample_paths",
    "terms_in_words",
    "warm_up",
    "what_breaks",
    "why",
]


def warm_up() -> None:
    """Compile nothing more: the kernels of this room carry their signatures and compile at import, cached."""
