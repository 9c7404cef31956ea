"""Files as a source: CSV, packed or not, and Parquet, on any filesystem that fsspec knows."""
