"""Tests through the whole stack."""
