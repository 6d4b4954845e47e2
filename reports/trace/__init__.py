"""Where a thing came from and what came of it: rows, versions, runs, outputs, tags, patches, numbers of a report."""

from reports.trace.name import trace
from reports.trace.told import Link, Trace

__all__ = ["Link", "Trace", "trace"]
