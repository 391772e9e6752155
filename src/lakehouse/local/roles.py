"""Credentials of the roles that executed work runs under."""

from __future__ import annotations

import hashlib

from ministack.core.responses import get_account_id
from ministack.services import sts


def session_credentials(role: str, session_name: str) -> dict[str, str]:
    """Open a session of a role, as the service would by assuming it.

    Args:
        role: The role's ARN or name.
        session_name: Who works: a job run's id, a crawler's name.

    Returns:
        ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY`` and ``AWS_SESSION_TOKEN``.
    """
    name = role.rpartition("/")[2]
    session = session_name[:64]
    digest = hashlib.sha256(f"{role}:{session_name}".encode()).hexdigest()
    credentials = {
        "AWS_ACCESS_KEY_ID": f"ASIA{digest[:16].upper()}",
        "AWS_SECRET_ACCESS_KEY": hashlib.sha256(f"secret:{digest}".encode()).hexdigest(),
        "AWS_SESSION_TOKEN": hashlib.sha256(f"token:{digest}".encode()).hexdigest(),
    }
    sts.register_session(
        credentials["AWS_ACCESS_KEY_ID"],
        {
            "Arn": f"arn:aws:sts::{get_account_id()}:assumed-role/{name}/{session}",
            "UserId": f"{name}:{session}",
            "SecretAccessKey": credentials["AWS_SECRET_ACCESS_KEY"],
            "SessionToken": credentials["AWS_SESSION_TOKEN"],
        },
    )
    return credentials
