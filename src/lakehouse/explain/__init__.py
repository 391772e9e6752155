"""The story of one file, gathered from all that keeps a part of it."""
