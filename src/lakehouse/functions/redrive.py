"""Sends dead letters back to the queue of landed files, once the cause is mended."""

from __future__ import annotations

from datetime import timedelta

from lakehouse.errors import PermanentError
from lakehouse.functions import surroundings
from lakehouse.functions.surroundings import Answer, Event, handles
from lakehouse.ingestion.dead_letters import Choice, DeadLetters

_WISHES = frozenset({"count", "key", "older_than_seconds"})


def chosen(event: Event) -> Choice:
    """Read which dead letters an event wishes.

    Args:
        event: If need be ``older_than_seconds``, ``count`` and ``key``, see ``Choice``.

    Returns:
        The choice: everything where nothing is wished.

    Raises:
        PermanentError: A wish is unknown, or is no number: everything would go back by mistake.
    """
    unknown = sorted(set(event) - _WISHES)
    age, count, key = (event.get(name) for name in ("older_than_seconds", "count", "key"))
    is_number = all(one is None or (isinstance(one, int) and one >= 0) for one in (age, count))
    if unknown or not is_number or not (key is None or isinstance(key, str)):
        raise PermanentError(
            f"The event says {dict(event)}. It may have older_than_seconds and count, whole numbers, and key, a text; "
            "nothing at all sends every dead letter back."
        )
    return Choice(older_than=None if age is None else timedelta(seconds=age), key=key, count=count)


@handles
def handler(event: Event) -> Answer:
    """Send back the dead letters that the event wishes, see ``chosen``; the answer says how many: ``redriven``."""
    letters = DeadLetters.of_queue(surroundings.sqs(), surroundings.settings().landed_queue_url)
    return {"redriven": letters.redrive(chosen(event))}
