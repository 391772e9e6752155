"""Parquet to JSON: the reader, the kernel and its runners."""
