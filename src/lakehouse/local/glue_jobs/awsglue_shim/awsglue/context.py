"""Glue's context: a Spark session. DynamicFrames live in Glue's own jars and are refused by name."""

from __future__ import annotations

import logging
from typing import Any

from pyspark.context import SparkContext
from pyspark.sql import SparkSession, SQLContext


class GlueContext(SQLContext):
    """The entry point of a job script.

    Args:
        spark_context: The Spark context.
        options: Glue's tuning options, which do nothing here.
    """

    def __init__(self, spark_context: SparkContext, **options: Any) -> None:  # noqa: ARG002 - as in Glue
        self.spark_session = SparkSession(spark_context)
        super().__init__(spark_context, self.spark_session)

    def get_logger(self) -> logging.Logger:
        """The job's logger.

        Returns:
            A Python logger; it writes to standard error, which is the job's error log.
        """
        return logging.getLogger("GlueLogger")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"GlueContext.{name} is not available on the local endpoint: DynamicFrames live in Glue's own jars. "
            "Use spark_session.read and DataFrame.write."
        )
