"""The local endpoint's S3 against the bare emulator and against this machine's bounds, in the same run.

    python tests/benchmarks/endpoint.py [MEGABYTES]

Everything goes through boto3, as it does for every user; what boto3 takes by itself is shown by the same upload to a
server that throws it away. Ratios are to the bare emulator; peak memory is that of the endpoint's process so far.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import re
import socket
import socketserver
import statistics
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from lakehouse.local.endpoint import Endpoint

MB = 1024**2
PART_BYTES = 8 * MB
THREADS, REPEATS, READS = 4, 3, 300
LONGEST_READING_SECONDS = 10.0
BUCKET = "benchmark"


def client(url: str) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=url, config=Config(s3={"addressing_style": "path"}), **keys)


def send_parts(s3: Any, target: dict[str, str], size: int) -> list[dict[str, Any]]:
    body = os.urandom(PART_BYTES)

    def send(number: int) -> dict[str, Any]:
        sent = s3.upload_part(**target, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32")
        return {"PartNumber": number, "ETag": sent["ETag"], "ChecksumCRC32": sent["ChecksumCRC32"]}

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(send, range(1, size // PART_BYTES + 1)))


def upload(s3: Any, key: str, size: int) -> tuple[float, float]:
    """Upload an object in parts; seconds of the whole, and of completing it."""
    start, target = time.perf_counter(), {"Bucket": BUCKET, "Key": key}
    target["UploadId"] = s3.create_multipart_upload(**target, ChecksumAlgorithm="CRC32")["UploadId"]
    parts = send_parts(s3, target, size)
    sent = time.perf_counter()
    s3.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
    return time.perf_counter() - start, time.perf_counter() - sent


def read_ranges(url: str, key: str, size: int, length: int) -> list[float]:
    """Read ranges of one length all over an object; milliseconds of each."""
    s3, taken, end = client(url), [], time.monotonic() + LONGEST_READING_SECONDS
    while len(taken) <= READS and time.monotonic() < end:
        first = len(taken) * 7919 * 65536 % (size - length)
        start = time.perf_counter()
        s3.get_object(Bucket=BUCKET, Key=key, Range=f"bytes={first}-{first + length - 1}")["Body"].read()
        taken.append((time.perf_counter() - start) * 1000)
    return taken[1:]  # the first one connects


def processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(size: int, *, unpatched: bool) -> dict[str, tuple[float, float]]:
    """Each figure (seconds, of reads milliseconds) with the endpoint's peak memory until then, in MB."""
    figures: dict[str, tuple[float, float]] = {}
    # The reader is a process of its own: it waits for the endpoint, not for the uploading client.
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        endpoint = Endpoint(Path(folder), 0, unpatched=unpatched)
        endpoint.start()
        try:
            server = json.loads((endpoint.home / "endpoint.json").read_text())["pid"]

            def note(what: str, figure: float) -> None:
                peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{server}/status").read_text())
                figures[what] = (figure, int(peak[1]) / 1024 if peak else 0.0)

            s3 = client(endpoint.url)
            s3.create_bucket(Bucket=BUCKET)
            before = processor_seconds(server)
            runs = [upload(s3, "object", size) for _ in range(REPEATS)]
            note("upload", min(whole for whole, _ in runs))
            note("of it, completing", min(completing for _, completing in runs))
            note("its processor time in the endpoint", (processor_seconds(server) - before) / REPEATS)
            for name, length in (("64 KiB", 64 * 1024), ("1 MiB", MB)):
                for how in ("", " while uploading"):
                    reading = pool.submit(read_ranges, endpoint.url, "object", size, length)
                    while how and not reading.done():
                        upload(s3, "other", size)
                    cuts = statistics.quantiles(reading.result(), n=100)
                    note(f"{name} range{how}, median", cuts[49])
                    note(f"{name} range{how}, p99", cuts[98])
        finally:
            endpoint.stop()
    return figures


class Discarding(BaseHTTPRequestHandler):
    """Answers as S3 does to a part, and looks at none of its bytes."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        remaining, buffer = int(self.headers["Content-Length"]), memoryview(bytearray(MB))
        while remaining:
            remaining -= self.rfile.readinto1(buffer[:remaining])  # type: ignore[attr-defined]
        self.wfile.write(b'HTTP/1.1 200 OK\r\nETag: "0"\r\nx-amz-checksum-crc32: 0\r\nContent-Length: 0\r\n\r\n')


def client_alone(size: int) -> float:
    """Seconds that boto3 takes for the parts where nothing is done with them."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Discarding) as listener:
        server = multiprocessing.get_context("fork").Process(target=listener.serve_forever, daemon=True)
        server.start()
        s3 = client(f"http://127.0.0.1:{listener.server_address[1]}")
        target = {"Bucket": "bucket", "Key": "key", "UploadId": "upload"}
        fastest = min(seconds(lambda: send_parts(s3, target, size)) for _ in range(REPEATS))
        server.terminate()
    return fastest


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def write_synced(content: bytes) -> None:
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(content)
        os.fsync(file.fileno())


def through_socket(size: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as end:
        sending = threading.Thread(target=end.sendall, args=(bytes(size),))
        sending.start()
        accepted, buffer = listener.accept()[0], bytearray(MB)
        with accepted:
            while size:
                size -= accepted.recv_into(buffer, min(size, MB))
        sending.join()


def bounds(size: int) -> dict[str, float]:
    """What this machine does with as many bytes, in seconds."""
    source = bytes(size)
    work = {
        "memory copy": lambda: bytearray(source),
        "disk write, synced": lambda: write_synced(source),
        "loopback socket": lambda: through_socket(size),
        "SHA256 (boto3 signs bodies over http)": lambda: hashlib.sha256(source),
        "CRC32 (boto3 and the endpoint)": lambda: zlib.crc32(source),
        "MD5 (the endpoint, for ETags)": lambda: hashlib.md5(source, usedforsecurity=False),
    }
    return {name: min(seconds(each) for _ in range(REPEATS)) for name, each in work.items()}


def main(arguments: list[str]) -> None:
    """Measure and print the table."""
    size = int(arguments[0] if arguments else 600) * MB // PART_BYTES * PART_BYTES
    ours, bare = measure(size, unpatched=False), measure(size, unpatched=True)
    rows = [("what", "s", "MB/s or ms", "endpoint peak MB", "÷ bare emulator"), ("---", "---:", "---:", "---:", "---:")]
    for what in ours:
        for name, (figure, peak) in (("lakehouse", ours[what]), ("bare emulator", bare[what])):
            took, rate = figure / 1000, f"{figure:.1f} ms"
            if "range" not in what:
                took, rate = figure, f"{size / MB / figure:,.0f} MB/s"
            rows.append((f"{what}: {name}", f"{took:.3f}", rate, f"{peak:.0f}", f"{figure / bare[what][0]:.2f}"))
    others = {"boto3's parts to a server that discards them": client_alone(size)}
    others |= {f"bound: {name}": took for name, took in bounds(size).items()}
    rows += [(name, f"{took:.3f}", f"{size / MB / took:,.0f} MB/s", "", "") for name, took in others.items()]
    print(f"An object of {size // MB} MB in parts of {PART_BYTES // MB} MiB, {THREADS} threads, best of {REPEATS}\n")
    print("\n".join(f"| {' | '.join(row)} |" for row in rows))


if __name__ == "__main__":
    main(sys.argv[1:])
