"""The modules that declare what this project replaces in the emulator, in the order they are installed."""

from __future__ import annotations

MODULES = (
    "lakehouse.local.refusals",
    "lakehouse.local.fixes.s3_bodies",
    "lakehouse.local.fixes.s3_etags",
    "lakehouse.local.fixes.s3_storage",
    "lakehouse.local.fixes.s3_reads",
    "lakehouse.local.fixes.s3_checksums",
    "lakehouse.local.fixes.s3_uploads",
    "lakehouse.local.fixes.s3_completion",
    "lakehouse.local.fixes.s3_conditions",
    "lakehouse.local.fixes.dynamodb",
    "lakehouse.local.fixes.glue",
    "lakehouse.local.fixes.step_functions",
    "lakehouse.local.lambdas.code",
    "lakehouse.local.lambdas.invocation",
    "lakehouse.local.glue_jobs",
    "lakehouse.local.crawlers",
    "lakehouse.local.step_functions",
)
