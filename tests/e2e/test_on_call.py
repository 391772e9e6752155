"""What the person on call does: sees what failed, has it explained, sends dead letters back, converts files anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lakehouse.sample import generate

pytestmark = pytest.mark.e2e

PATIENCE_SECONDS = 120


def until(found: Callable[[], Any], what: str) -> Any:
    """Wait until there is something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        answer = found()
        if answer:
            return answer
        time.sleep(0.5)
    pytest.fail(f"{what} did not happen within {PATIENCE_SECONDS} seconds")


def landed(laptop: Any, path: Path) -> dict[str, Any]:
    """The record of a file that was ingested, once its event has had its effect."""
    laptop.run("ingest", path, "--watch", check=False)
    found: dict[str, Any] = laptop.file(f"raw-data/users/{path.name}")
    return found


def objects(laptop: Any, uri: str) -> list[str]:
    """The versions of an object, newest first."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    found = laptop.deployment.client("s3").list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
    return [version["VersionId"] for version in found if version["Key"] == key]


def is_done(record: dict[str, Any], *, attempt: int) -> dict[str, Any] | None:
    return record if (record["status"], record["attempt"]) == ("SUCCEEDED", attempt) else None


def users(folder: Path, name: str, *, dirty_share: float = 0.02, seed: int = 1) -> Path:
    generate(folder / name, rows=200, dirty_share=dirty_share, seed=seed, dataset="users")
    return folder / name


def test_a_failed_file_is_shown_and_explained_and_a_good_version_of_it_ends_the_matter(laptop, tmp_path: Path) -> None:
    path = tmp_path / "users_2031-01.parquet"
    path.write_text("<html>not found</html>")
    record = landed(laptop, path)
    assert (record["status"], record["error_type"]) == ("FAILED", "NotParquetError")

    shown = laptop.run("failed").stdout
    assert f"{record['file_id'][:12]}  {path.name} of users: NotParquetError" in shown
    (listed,) = [one for one in laptop.json("failed")["files"] if one["file_id"] == record["file_id"]]
    assert "upload it again" in listed["next_step"]

    story = laptop.json("explain", record["file_id"][:12])
    texts = [entry["text"] for entry in story["entries"]]
    assert texts[0].startswith("landed as s3://")
    assert any("FAILED with NotParquetError" in text for text in texts)
    assert any("decision: REFUSED" in text for text in texts)
    assert "upload it again" in story["next_step"]
    told = laptop.run("explain", record["file_id"], COLUMNS="300").stdout
    assert "What to do" in told
    assert "it looks like an HTML page" in told

    users(tmp_path, path.name)
    again = landed(laptop, path)
    assert again["status"] == "SUCCEEDED"
    assert record["file_id"] not in {one["file_id"] for one in laptop.json("failed")["files"]}
    assert again["file_id"][:12] in laptop.json("explain", record["file_id"])["next_step"]


def test_a_file_with_too_many_bad_rows_is_explained_down_to_the_state_that_failed(laptop, tmp_path: Path) -> None:
    record = landed(laptop, users(tmp_path, "users_2031-02.parquet", dirty_share=0.9))
    assert record["error_type"] == "QuarantineThresholdError"
    told = laptop.run("explain", record["file_id"], COLUMNS="200").stdout
    assert "state ConvertInProcess: QuarantineThresholdError: (the reason that the record tells)" in told
    assert "quarantine written" in told
    assert told.count("break rules of users") == 1
    assert f"lakehouse reprocess {record['file_id'][:12]}" in told


def test_a_message_that_nobody_can_read_is_a_dead_letter_that_is_shown_and_sent_back(laptop) -> None:
    target = laptop.deployment
    sqs = target.client("sqs")
    sqs.send_message(QueueUrl=target.queues["landed"], MessageBody="nobody can read this 2031")

    def dead() -> list[dict[str, Any]]:
        return [one for one in laptop.json("failed")["dead_letters"] if one["body"] == "nobody can read this 2031"]

    (letter,) = until(dead, "the message's death")
    assert letter["files"] == []
    assert "nobody can read it: nobody can read this 2031" in laptop.run("failed", COLUMNS="150").stdout
    assert laptop.json("redrive", "--key", "*no-such-file*")["redriven"] == 0
    assert laptop.json("redrive", "--older-than", "2h")["redriven"] == 0
    assert laptop.json("redrive")["redriven"] == 1
    (again,) = until(dead, "the message's second death")
    assert again["message_id"] != letter["message_id"]
    for message in sqs.receive_message(QueueUrl=target.queues["dead_letters"], MaxNumberOfMessages=10)["Messages"]:
        sqs.delete_message(QueueUrl=target.queues["dead_letters"], ReceiptHandle=message["ReceiptHandle"])


def test_a_dead_letter_of_a_file_is_sent_back_and_the_file_converted(laptop, tmp_path: Path) -> None:
    target = laptop.deployment
    sqs, s3 = target.client("sqs"), target.client("s3")
    key = "raw-data/users/users_2031-03.parquet"
    landed(laptop, users(tmp_path, "users_2031-03.parquet"))
    message = f'{{"retry": {{"bucket": "{target.buckets["raw"]}", "key": "{key}", "attempt": 1}}}}'
    sqs.send_message(QueueUrl=target.queues["dead_letters"], MessageBody=message)
    assert "users_2031-03.parquet (attempt 1)" in laptop.run("failed", COLUMNS="150").stdout
    assert laptop.json("redrive", "--key", "users_2031-03*", "--count", "1")["redriven"] == 1
    until(lambda: not laptop.json("failed")["dead_letters"], "the letter's way back")
    assert s3.head_object(Bucket=target.buckets["raw"], Key=key)["ContentLength"] > 0
    assert laptop.file(key)["status"] == "SUCCEEDED"


def test_a_converted_file_is_converted_anew_into_a_new_version_of_the_same_object(laptop, tmp_path: Path) -> None:
    before = landed(laptop, users(tmp_path, "users_2031-04.parquet"))
    assert (before["status"], before["attempt"]) == ("SUCCEEDED", 1)
    (version,) = objects(laptop, before["output_uri"])
    text = laptop.object_text(before["output_uri"])

    day = before["created_at"][:10]
    for arguments in ([before["file_id"]], ["--dataset", "users", "--from", day, "--to", day]):
        planned = laptop.json("reprocess", *arguments, "--dry-run")
        assert {one["file_id"]: one["attempt"] for one in planned if not one["refusal"]}[before["file_id"]] == 2
    assert "1 of 1 would be converted anew" in laptop.run("reprocess", before["file_id"][:12], "--dry-run").stdout
    assert laptop.file(before["key"]) == before
    assert objects(laptop, before["output_uri"]) == [version]

    laptop.run("reprocess", before["file_id"][:12])
    after = until(lambda: is_done(laptop.file(before["key"]), attempt=2), "the second conversion")
    assert after["output_uri"] == before["output_uri"]
    newest, oldest = objects(laptop, before["output_uri"])
    assert (newest != oldest, oldest) == (True, version)
    assert len(objects(laptop, before["quarantine_uri"])) == 2
    assert laptop.object_text(before["output_uri"]) == text

    told = laptop.run("explain", before["file_id"], COLUMNS="250").stdout
    assert "somebody asked for it to be converted anew" in told
    assert f"version {version}, replaced since, kept as a version" in told
    assert f"version {newest}, the current one" in told
    assert "attempt 2 ended as SUCCEEDED" in told


def test_a_skipped_file_and_a_replaced_version_point_at_the_one_that_counts(laptop, tmp_path: Path) -> None:
    first = landed(laptop, users(tmp_path, "users_2031-05.parquet", seed=1))
    s3, raw = laptop.deployment.client("s3"), laptop.deployment.buckets["raw"]
    s3.copy_object(
        Bucket=raw, Key=first["key"], CopySource={"Bucket": raw, "Key": first["key"]}, MetadataDirective="REPLACE"
    )
    skipped = until(lambda: (one := laptop.file(first["key"]))["status"] == "SKIPPED" and one, "the skip")
    assert (
        f"lakehouse explain {first['file_id'][:12]}" in laptop.run("explain", skipped["file_id"], COLUMNS="150").stdout
    )
    refused = laptop.run("reprocess", skipped["file_id"], check=False)
    assert refused.returncode == 1
    assert f"lakehouse reprocess {first['file_id'][:12]}" in refused.stdout

    second = landed(laptop, users(tmp_path, "users_2031-05.parquet", seed=2))
    assert second["status"] == "SUCCEEDED"
    refused = laptop.run("reprocess", first["file_id"], check=False, COLUMNS="150")
    assert refused.returncode == 1
    assert f"lakehouse reprocess {second['file_id'][:12]}" in refused.stdout
