"""Stands in for the Glue script in the module tests: only its bytes count."""
