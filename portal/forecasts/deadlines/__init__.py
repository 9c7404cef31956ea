"""Deadlines of publication: by when a forecast must be out, and the guard that publishes a fallback before."""
