"""Ingest runs: readings of sources, how far they are, and what became of the rows."""
