"""Questions to the ledger: what was forecast for a time, by when, and what the next run changed."""
