"""Athena's SQL, compiled to DuckDB's: parsed by sqlglot, typed by Trino's rules, one text in the end.

``compiled.compile_query`` is the way in. Names and columns are resolved here, every expression has one of Trino's
types, and a function is one of ``functions``; what Trino would refuse is refused, whatever DuckDB would make of it.
"""
