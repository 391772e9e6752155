"""Glue's Data Catalog, as dbt-athena, awswrangler, PyIceberg and Athena rely on it.

The state stays where the emulator keeps it: its Iceberg endpoint and its checkpoints read it there.
Each module replaces the operations of its subject.
"""
