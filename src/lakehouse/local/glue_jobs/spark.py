"""How Spark is set up for a job run: a Glue worker's memory within this machine's, S3 through the object view.

Glue's S3 connector is not on PyPI. Hadoop's ``ViewFileSystemOverloadScheme`` gives every bucket a folder instead, under
both schemes that scripts use.

Source: https://hadoop.apache.org/docs/stable/hadoop-project-dist/hadoop-hdfs/ViewFsOverloadScheme.html
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

_VIEW = "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme"
_LOCAL = "org.apache.hadoop.fs.RawLocalFileSystem"
_COMMITTERS = "org.apache.hadoop.mapreduce.lib.output.FileOutputCommitterFactory"
_SCHEMES = ("s3", "s3a")
# How often a task may fail before the job does: Spark's default on a cluster, where plain local[N] gives up at once.
# https://spark.apache.org/docs/3.5.6/submitting-applications.html#master-urls
_TASK_ATTEMPTS = 4
# Memory of a worker, in GB: https://docs.aws.amazon.com/glue/latest/dg/add-job.html
_WORKER_MEMORY_GB = {"G.025X": 4, "G.1X": 16, "G.2X": 32, "G.4X": 64, "G.8X": 128, "R.1X": 32, "R.2X": 64}
# Spark's driver beside Terraform, the endpoint and Python workers: at most this share of the machine.
_SHARE_OF_MACHINE = 0.25
_LEAST_MB = 1024
# The modules that Spark opens on Java 17: org.apache.spark.launcher.JavaModuleOptions of Spark 3.5.
_OPENED = [
    "java.base/java.lang",
    "java.base/java.lang.invoke",
    "java.base/java.lang.reflect",
    "java.base/java.io",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.base/sun.nio.cs",
    "java.base/sun.security.action",
    "java.base/sun.util.calendar",
    "java.security.jgss/sun.security.krb5",
]


def driver_memory_mb(worker_type: str, machine_bytes: int) -> int:
    """Memory for the driver, which runs the tasks too.

    Args:
        worker_type: Glue's, such as ``G.1X``.
        machine_bytes: Memory of this machine.

    Returns:
        Megabytes: the worker's, or a quarter of the machine where that is less.
    """
    worker = _WORKER_MEMORY_GB.get(worker_type, _WORKER_MEMORY_GB["G.1X"]) * 1024
    return max(_LEAST_MB, min(worker, int(machine_bytes * _SHARE_OF_MACHINE / 2**20)))


def machine_memory() -> int:
    """Memory of this machine.

    Returns:
        Bytes.
    """
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def defaults(
    view: Path, buckets: Iterable[str], scratch: Path, given: Mapping[str, str], cores: int | None = None
) -> str:
    """The text of ``spark-defaults.conf``.

    Args:
        view: The object view: a folder a bucket.
        buckets: Names of the buckets.
        scratch: A folder for shuffles and spills.
        given: Settings of the job's ``--conf``; they win.
        cores: How many tasks run at once; this machine's processors by default.

    Returns:
        The file's text.
    """
    settings = {
        "spark.master": f"local[{cores or os.cpu_count() or 1},{_TASK_ATTEMPTS}]",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        # No .crc files beside the objects.
        "spark.hadoop.fs.file.impl": _LOCAL,
    }
    for scheme in _SCHEMES:
        settings[f"spark.hadoop.fs.{scheme}.impl"] = _VIEW
        settings[f"spark.hadoop.fs.viewfs.overload.scheme.target.{scheme}.impl"] = _LOCAL
        # Hadoop's defaults name a committer of the S3A connector, which is not there.
        settings[f"spark.hadoop.mapreduce.outputcommitter.factory.scheme.{scheme}"] = _COMMITTERS
    for bucket in buckets:
        settings[f"spark.hadoop.fs.viewfs.mounttable.{bucket}.linkFallback"] = f"file://{view / bucket}"
    settings.update(given)
    return "".join(f"{name} {value}\n" for name, value in settings.items())


LOG4J = """rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n%ex
"""


def write_home(folder: Path, jars: Path, memory_mb: int, log4j: Path, ready: Path) -> None:
    """Make a SPARK_HOME whose launcher starts the driver at once.

    Spark's own ``spark-submit`` starts a first Java machine that only computes the command line of the second.

    Args:
        folder: The SPARK_HOME to make.
        jars: Spark's jars.
        memory_mb: The driver's memory.
        log4j: The logging configuration.
        ready: A file that says that the object view is whole: the script may start before, Spark must not.
    """
    launcher = folder / "bin" / "spark-submit"
    launcher.parent.mkdir(parents=True)
    (folder / "jars").symlink_to(jars)
    opened = " ".join(f"--add-opens={module}=ALL-UNNAMED" for module in _OPENED)
    launcher.write_text(
        "#!/bin/sh\n"
        f'while [ ! -e "{ready}" ]; do sleep 0.05; done\n'
        f'exec "${{JAVA_HOME:+$JAVA_HOME/bin/}}java" -cp "{jars}/*" -Xmx{memory_mb}m {opened} '
        f'-Djdk.reflect.useDirectMethodHandle=false "-Dlog4j2.configurationFile={log4j}" '
        'org.apache.spark.deploy.SparkSubmit "$@"\n'
    )
    launcher.chmod(0o755)
