"""Statements, by what they do: queries, and all others."""
