"""One module per engine; each is imported only when it runs."""
