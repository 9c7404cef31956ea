"""Wiring only: one pipeline per file, named after it."""
