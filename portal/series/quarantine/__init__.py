"""Rows that broke a rule: kept as they came, seen, corrected, replayed or dismissed."""
