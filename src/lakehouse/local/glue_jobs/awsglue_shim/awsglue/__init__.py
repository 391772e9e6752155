"""The part of AWS Glue's library that is not bound to its service, for job scripts on a laptop."""
