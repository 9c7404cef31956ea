"""Task glue: what the DAGs run, usable without a scheduler. The portal is reached over HTTP, the library by import."""
