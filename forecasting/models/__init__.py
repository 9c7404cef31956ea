"""One model per file, its hyper-parameters beside it."""
