"""Glue's definitions: what was given at creation is there when it is read."""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import glue

from lakehouse.local.registry import fixes

Json = dict[str, Any]

_GLUE = "ministack.services.glue"

# https://docs.aws.amazon.com/glue/latest/webapi/API_CreateCrawler.html
_CRAWLER_DEFAULTS = {
    "LineageConfiguration": {"CrawlerLineageSettings": "DISABLE"},
    "RecrawlPolicy": {"RecrawlBehavior": "CRAWL_EVERYTHING"},
    "SchemaChangePolicy": {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DEPRECATE_IN_DATABASE"},
}


def _keep_tags(kind: str, name: str, data: Json) -> None:
    if data.get("Tags"):
        glue._tags.setdefault(glue._arn(kind, name), {}).update(data["Tags"])


@fixes(
    "glue",
    "CreateCrawler",
    replaces=f"{_GLUE}:_create_crawler",
    signature="(data)",
    symptom="terraform plan shows a crawler's tags and its default policies as drift",
)
def create_crawler(original: Callable[..., Any]) -> Callable[..., Any]:
    """Tags are kept, and Glue's defaults filled in."""

    def replacement(data: Json) -> Any:
        answer = original(data)
        if answer[0] == 200:
            _keep_tags("crawler", data["Name"], data)
            _fill_crawler(data["Name"])
        return answer

    return replacement


@fixes(
    "glue",
    "UpdateCrawler",
    replaces=f"{_GLUE}:_update_crawler",
    signature="(data)",
    symptom="terraform plan shows a changed crawler's default policies as drift",
)
def update_crawler(original: Callable[..., Any]) -> Callable[..., Any]:
    """Glue's defaults are filled in."""

    def replacement(data: Json) -> Any:
        answer = original(data)
        if answer[0] == 200:
            _fill_crawler(data["Name"])
        return answer

    return replacement


def _fill_crawler(name: str) -> None:
    crawler = glue._crawlers[name]
    for member, default in _CRAWLER_DEFAULTS.items():
        crawler[member] = {**default, **(crawler.get(member) or {})}


@fixes(
    "glue",
    "CreateJob",
    replaces=f"{_GLUE}:_create_job",
    signature="(data)",
    symptom="terraform plan shows a job's tags as drift",
)
def create_job(original: Callable[..., Any]) -> Callable[..., Any]:
    """Tags are kept."""

    def replacement(data: Json) -> Any:
        answer = original(data)
        if answer[0] == 200:
            _keep_tags("job", data["Name"], data)
        return answer

    return replacement


@fixes(
    "glue",
    "CreateConnection",
    replaces=f"{_GLUE}:_create_connection",
    signature="(data)",
    symptom="terraform plan shows a connection's tags as drift",
)
def create_connection(original: Callable[..., Any]) -> Callable[..., Any]:
    """Tags are kept."""

    def replacement(data: Json) -> Any:
        answer = original(data)
        if answer[0] == 200:
            _keep_tags("connection", data["ConnectionInput"]["Name"], data)
        return answer

    return replacement
