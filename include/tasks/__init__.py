"""One module per stage. Each works on one series or source; `batches` runs it over many."""
