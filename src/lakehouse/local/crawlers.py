"""Crawlers: StartCrawler reads the objects of its targets and writes tables and partitions.

Source: https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-crawler-crawling.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state
from __future__ import annotations

import contextvars
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from ministack.core.responses import error_response_json, json_response, new_uuid
from ministack.services import eventbridge, glue

from lakehouse.local import place
from lakehouse.local.crawling.catalog import Catalog, Tally
from lakehouse.local.crawling.iceberg import read_iceberg_target
from lakehouse.local.crawling.reading import CrawlStoppedError, read_target, split_path
from lakehouse.local.crawling.tables import FoundTable, group
from lakehouse.local.log_groups import write_log
from lakehouse.local.registry import executes
from lakehouse.local.roles import session_credentials

Response = tuple[Any, ...]
Handler = Callable[[dict[str, Any]], Response]
Crawler = dict[str, Any]

_EMULATOR = "ministack.services.glue"
_LOG_GROUP = "/aws-glue/crawlers"
_TARGETS = ("S3Targets", "IcebergTargets")
_log = logging.getLogger(__name__)
# By crawler name: how to stop the crawl that runs, and what the last ones changed.
_stops: dict[str, threading.Event] = {}
_tallies: dict[str, tuple[Tally, list[float]]] = {}


@executes("glue", "StartCrawler", replaces=f"{_EMULATOR}:_start_crawler", signature="(data)")
def start_crawler(_original: Handler) -> Handler:
    """StartCrawler: crawl in a thread.

    Args:
        _original: The emulator's, which finds nothing.

    Returns:
        The replacement.
    """

    def replacement(data: dict[str, Any]) -> Response:
        crawler = glue._crawlers.get(data.get("Name"))
        if crawler is None:
            return _error("EntityNotFoundException", f"Crawler entry with name {data.get('Name')} does not exist")
        if crawler["State"] != "READY":
            return _error("CrawlerRunningException", f"Crawler with name {crawler['Name']} has already started")
        targets = crawler.get("Targets") or {}
        unread = [kind for kind, given in targets.items() if given and kind not in _TARGETS]
        if unread:
            return _error(
                "InvalidInputException",
                f"The local endpoint cannot crawl {', '.join(unread)} of {crawler['Name']}, only "
                f"{' and '.join(_TARGETS)}",
            )
        stop = _stops[crawler["Name"]] = threading.Event()
        crawler.update(State="RUNNING", CrawlElapsedTime=0)
        # Threads have no account and region of their own.
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(_crawl, crawler, stop), daemon=True).start()
        return _answer({})

    return replacement


@executes("glue", "StopCrawler", replaces=f"{_EMULATOR}:_stop_crawler", signature="(data)")
def stop_crawler(_original: Handler) -> Handler:
    """StopCrawler: the crawl ends before it writes anything.

    Args:
        _original: The emulator's, which only changes the state.

    Returns:
        The replacement.
    """

    def replacement(data: dict[str, Any]) -> Response:
        crawler = glue._crawlers.get(data.get("Name"))
        if crawler is None:
            return _error("EntityNotFoundException", f"Crawler entry with name {data.get('Name')} does not exist")
        if crawler["State"] == "STOPPING":
            return _error("CrawlerStoppingException", f"Crawler with name {crawler['Name']} is stopping")
        if crawler["State"] != "RUNNING":
            return _error("CrawlerNotRunningException", f"Crawler with name {crawler['Name']} is not running")
        crawler["State"] = "STOPPING"
        _stops[crawler["Name"]].set()
        return _answer({})

    return replacement


@executes("glue", "GetCrawlerMetrics", replaces=f"{_EMULATOR}:_get_crawler_metrics", signature="(data)")
def get_crawler_metrics(_original: Handler) -> Handler:
    """GetCrawlerMetrics: of the crawls since the endpoint was started.

    Args:
        _original: The emulator's, whose counts are always 0.

    Returns:
        The replacement.
    """

    def replacement(data: dict[str, Any]) -> Response:
        names = data.get("CrawlerNameList") or list(glue._crawlers)
        return _answer({"CrawlerMetricsList": [_metrics(name) for name in names if name in glue._crawlers]})

    return replacement


def _metrics(name: str) -> dict[str, Any]:
    tally, seconds = _tallies.get(name, (Tally(), []))
    return {
        "CrawlerName": name,
        "TimeLeftSeconds": 0.0,
        "StillEstimating": False,
        "LastRuntimeSeconds": seconds[-1] if seconds else 0.0,
        "MedianRuntimeSeconds": sorted(seconds)[len(seconds) // 2] if seconds else 0.0,
        "TablesCreated": tally.created,
        "TablesUpdated": tally.updated,
        "TablesDeleted": tally.deleted,
    }


def _error(code: str, message: str) -> Response:
    answer: Response = error_response_json(code, message, 400)
    return answer


def _answer(body: dict[str, Any]) -> Response:
    answer: Response = json_response(body)
    return answer


def _crawl(crawler: Crawler, stop: threading.Event) -> None:
    """Crawl, and record the end however it comes."""
    name, started_at, message_prefix = crawler["Name"], time.time(), new_uuid()

    def log(line: str) -> None:
        write_log(_LOG_GROUP, name, [f"[{message_prefix}] {line}"])

    tally, status, message = Tally(), "SUCCEEDED", ""
    log("[BENCHMARK] Running Start Crawl for Crawler " + name)
    _emit(name, "Started", "")
    try:
        tally = _find_and_write(crawler, stop, log)
    except CrawlStoppedError:
        status = "CANCELLED"
    except ClientError as error:
        status, message = "FAILED", str(error)
    except Exception as error:  # noqa: BLE001 - a crawler never stays RUNNING because of a defect of ours
        _log.exception("The crawler %s failed in the executor itself", name)
        status, message = "FAILED", f"Internal Service Exception: {type(error).__name__}: {error}"
    log(f"[ERROR] {message}" if message else f"[BENCHMARK] Crawler has finished running: {status}")
    seconds = time.time() - started_at
    _tallies[name] = (tally, [*_tallies.get(name, (tally, []))[1], seconds])
    last = {
        "Status": status,
        "LogGroup": _LOG_GROUP,
        "LogStream": name,
        "MessagePrefix": message_prefix,
        "StartTime": started_at,
    }
    # The state comes last: who sees READY finds the whole result.
    crawler.update(
        LastCrawl=last | ({"ErrorMessage": message} if message else {}), CrawlElapsedTime=int(seconds * 1000)
    )
    crawler["State"] = "READY"
    _emit(name, status.capitalize(), message)


def _find_and_write(crawler: Crawler, stop: threading.Event, log: Callable[[str], None]) -> Tally:
    configuration = json.loads(crawler.get("Configuration") or "{}")
    grouping = configuration.get("Grouping", {})
    s3 = _client(crawler, "s3")
    found: list[tuple[str, FoundTable]] = []
    targets = (crawler.get("Targets") or {}).get("S3Targets") or []
    for target in targets:
        bucket, prefix = split_path(target["Path"])
        files = read_target(s3, target, stop, log)
        tables = group(
            files,
            prefix,
            table_level=grouping.get("TableLevelConfiguration"),
            combine=grouping.get("TableGroupingPolicy") == "CombineCompatibleSchemas",
        )
        found += [(bucket, table) for table in tables]
    iceberg_targets = (crawler.get("Targets") or {}).get("IcebergTargets") or []
    iceberg_tables = [table for each in iceberg_targets for table in read_iceberg_target(s3, each, stop, log)]
    if stop.is_set():
        raise CrawlStoppedError
    crawler["State"] = "STOPPING"
    catalog = Catalog(_client(crawler, "glue"), crawler, configuration, log)
    paths = [target["Path"] for target in targets] + [path for each in iceberg_targets for path in each["Paths"]]
    catalog.write(found, iceberg_tables, [f"s3://{'/'.join(split_path(path))}" for path in paths])
    return catalog.tally


def _client(crawler: Crawler, service: str) -> Any:
    here = place.current()
    credentials = session_credentials(crawler["Role"], crawler["Name"])
    # A session of its own: boto3's default one is not safe across threads.
    session: Any = boto3.Session(
        aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=credentials["AWS_SESSION_TOKEN"],
        region_name=here.region,
    )
    config = Config(s3={"addressing_style": "path"}, max_pool_connections=16)
    return session.client(service, endpoint_url=here.url, config=config)


def _emit(name: str, state: str, message: str) -> None:
    detail = {"crawlerName": name, "state": state, "message": message or f"Crawler {state}"}
    entry = {"Source": "aws.glue", "DetailType": "Glue Crawler State Change", "Detail": json.dumps(detail)}
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
