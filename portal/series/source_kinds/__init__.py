"""Kinds of sources: what each is told in its options, and the check of a whole source."""

from portal.series.source_kinds.check import check_source
from portal.series.source_kinds.kind import Kind
from portal.series.source_kinds.kinds import KINDS

__all__ = ["KINDS", "Kind", "check_source"]
