"""UUID functions.

https://trino.io/docs/current/functions/uuid.html
"""

from __future__ import annotations

from lakehouse.local.athena.sql.functions.library import scalar

scalar("uuid() -> uuid", "uuid()")
