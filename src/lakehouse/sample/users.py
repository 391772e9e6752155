"""Users of the ride app, and their events, with a stated share of rows that break the contracts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.sample.dataset import Columns, Fault, SampleDataset, maskable

_SECOND = "timedelta64[s]"
_FIRST_SIGN_UP = np.datetime64("2022-01-01T00:00:00", "us")
_SIGN_UP_SECONDS = 2 * 365 * 86_400
_MONTH_START = np.datetime64("2024-01-01T00:00:00", "us")
_MONTH_SECONDS = 31 * 86_400
_RESET_CLOCK = np.datetime64("1970-01-01T00:03:55", "us")

# Versions that a user has in a file on the average, and events.
_VERSIONS = 2
_EVENTS = 20
# Of the events, so many are reports that come again.
_REPEATED_SHARE = 0.01


# --- users --------------------------------------------------------------------------------------------------------


def _users(random: np.random.Generator, rows: int) -> Columns:
    """Versions of users: the first of each, then changes."""
    users = max(1, rows // _VERSIONS)
    user_id = np.arange(rows) % users + 1
    signed_up = _FIRST_SIGN_UP + random.integers(0, _SIGN_UP_SECONDS, users).astype(_SECOND)
    created = signed_up[user_id - 1]
    version = np.arange(rows) // users
    # Each version is later than the one before it, by whole days and some seconds.
    changed = (version * 40 * 86_400 + random.integers(0, 30 * 86_400, rows)).astype(_SECOND)
    countries = random.choice(["US", "CA", "GB", "DE", "MX"], users, p=[0.6, 0.1, 0.1, 0.1, 0.1])
    return {
        "user_id": maskable(user_id),
        "email": np.array([f"user{number}@example.com" for number in user_id], dtype=object),
        "country_code": countries[user_id - 1].astype(object),
        "plan": random.choice(["free", "plus", "business"], rows, p=[0.7, 0.2, 0.1]).astype(object),
        "is_active": random.random(rows) < 0.95,
        "created_at": created,
        "updated_at": created + np.where(version == 0, np.timedelta64(0, "s"), changed),
    }


def _lose_user(columns: Columns, rows: Any) -> None:
    columns["user_id"].mask[rows] = True


def _mistype_email(columns: Columns, rows: Any) -> None:
    columns["email"][rows] = "nobody at example"


def _spell_country(columns: Columns, rows: Any) -> None:
    columns["country_code"][rows] = "United States"


def _mistake_plan(columns: Columns, rows: Any) -> None:
    columns["plan"][rows] = "premium"


def _update_too_early(columns: Columns, rows: Any) -> None:
    columns["updated_at"][rows] = columns["created_at"][rows] - np.timedelta64(1, "D")


USERS = SampleDataset(
    schema=pa.schema(
        [
            ("user_id", pa.int64()),
            ("email", pa.string()),
            ("country_code", pa.string()),
            ("plan", pa.string()),
            ("is_active", pa.bool_()),
            ("created_at", pa.timestamp("us", "UTC")),
            ("updated_at", pa.timestamp("us", "UTC")),
        ]
    ),
    clean=_users,
    faults=(
        Fault(_lose_user, ("user_id_required",)),
        Fault(_mistype_email, ("email_pattern",)),
        Fault(_spell_country, ("country_code_pattern",)),
        Fault(_mistake_plan, ("plan_values",)),
        Fault(_update_too_early, ("updated_not_before_created",)),
    ),
)


# --- events -------------------------------------------------------------------------------------------------------


def _events(random: np.random.Generator, rows: int) -> Columns:
    """A month of events; some are reported twice."""
    event_id = np.array([random.bytes(16).hex() for _ in range(rows)], dtype=object)
    user_id = random.integers(1, max(1, rows // _EVENTS) + 1, rows)
    occurred = np.sort(_MONTH_START + random.integers(0, _MONTH_SECONDS * 1_000, rows).astype("timedelta64[ms]"))
    kinds = ["app_opened", "search", "trip_requested", "trip_cancelled", "payment"]
    event_type = random.choice(kinds, rows, p=[0.4, 0.3, 0.15, 0.03, 0.12]).astype(object)
    device = maskable(random.choice(["ios", "android", "web"], rows, p=[0.5, 0.4, 0.1]).astype(object))
    device.mask[:] = random.random(rows) < 0.02
    amount = maskable(random.integers(500, 9_000, rows))
    days = occurred.astype("datetime64[D]").astype(str)
    columns: Columns = {
        "event_id": event_id,
        "user_id": user_id,
        "session_id": np.array([f"{user}-{day}" for user, day in zip(user_id, days, strict=True)], dtype=object),
        "event_type": event_type,
        "occurred_at": occurred,
        "device": device,
        "amount": amount,
    }
    again = np.flatnonzero(random.random(max(0, rows - 1)) < _REPEATED_SHARE) + 1
    for values in columns.values():
        values[again] = values[again - 1]
    amount.mask[:] = event_type != "payment"
    return columns


def _cut_event_id(columns: Columns, rows: Any) -> None:
    columns["event_id"][rows] = "0"


def _mistake_user(columns: Columns, rows: Any) -> None:
    columns["user_id"][rows] = -1


def _invent_type(columns: Columns, rows: Any) -> None:
    columns["event_type"][rows] = "teleported"


def _reset_clock(columns: Columns, rows: Any) -> None:
    columns["occurred_at"][rows] = _RESET_CLOCK


def _lose_amount(columns: Columns, rows: Any) -> None:
    columns["event_type"][rows] = "payment"
    columns["amount"].mask[rows] = True


def _pay_back(columns: Columns, rows: Any) -> None:
    columns["amount"][rows] = -100


EVENTS = SampleDataset(
    schema=pa.schema(
        [
            ("event_id", pa.string()),
            ("user_id", pa.int64()),
            ("session_id", pa.string()),
            ("event_type", pa.string()),
            ("occurred_at", pa.timestamp("us", "UTC")),
            ("device", pa.string()),
            ("amount", pa.decimal128(12, 2)),
        ]
    ),
    clean=_events,
    faults=(
        Fault(_cut_event_id, ("event_id_pattern",)),
        Fault(_mistake_user, ("user_id_range",)),
        Fault(_invent_type, ("event_type_values",)),
        Fault(_reset_clock, ("occurred_at_range",)),
        Fault(_lose_amount, ("payment_has_amount",)),
        Fault(_pay_back, ("amount_range",)),
    ),
)
