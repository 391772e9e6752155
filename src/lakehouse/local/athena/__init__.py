"""Athena on the laptop: DuckDB and PyIceberg execute statements over the endpoint's Data Catalog and objects."""
