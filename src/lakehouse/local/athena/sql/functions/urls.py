"""Functions of URLs.

https://trino.io/docs/current/functions/url.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote_plus, unquote

from lakehouse.local.athena.sql.functions.library import python, scalar
from lakehouse.local.athena.sql.functions.support import first, optional, refuse

# java.net.URI: RFC 2396, with other letters than ASCII's where they are no spaces.
_URI = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_ALLOWED = re.compile(r"(?:[A-Za-z0-9_\-!.~'()*,;:$&+=?/\[\]@]|%[0-9A-Fa-f]{2}|[^\x00-\x7f\s])*")
_PATH = re.compile(r"(?:[A-Za-z0-9_\-!.~'()*,;:$&+=/@]|%[0-9A-Fa-f]{2}|[^\x00-\x7f\s])*")
_HOST = re.compile(
    r"(?:[^@\[\]]*@)?((?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.?"
    r"|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:.%]+\])(?::(\d*))?"
)


@dataclass(frozen=True, slots=True)
class _Parts:
    scheme: str | None
    host: str | None
    port: int | None
    path: str
    query: str | None
    fragment: str | None


def _parsed(url: str) -> _Parts | None:
    found = _URI.fullmatch(url)
    if found is None:
        return None
    scheme, authority, path, query, fragment = found.groups()
    if not all(_ALLOWED.fullmatch(one or "") for one in (authority, query, fragment)) or not _PATH.fullmatch(path):
        return None
    if authority is None and not path and (scheme is not None or not url):
        return None if scheme is not None else _Parts(None, None, None, "", query, fragment)
    if scheme is None and authority is None and ":" in path.partition("/")[0]:
        return None
    if scheme is not None and authority is None and not path.startswith("/"):
        # Opaque, as mailto:a@b: no path and no query.
        return _Parts(scheme, None, None, "", None, fragment)
    if authority == "" and not path:
        return None
    server = _HOST.fullmatch(authority or "")
    port = int(server[2]) if server and server[2] else None
    return _Parts(scheme, server[1] if server else None, port, path, query, fragment)


def _decoded(text: str | None) -> str:
    return "" if text is None else unquote(text)


@optional("athena_url_protocol", "VARCHAR", "VARCHAR")
def url_extract_protocol(url: str) -> str | None:
    """The protocol of a URL.

    Args:
        url: The URL.

    Returns:
        The protocol; None where it is no URL.
    """
    parts = _parsed(url)
    return None if parts is None else parts.scheme or ""


@optional("athena_url_host", "VARCHAR", "VARCHAR")
def url_extract_host(url: str) -> str | None:
    """The host of a URL.

    Args:
        url: The URL.

    Returns:
        The host; None where it is no URL.
    """
    parts = _parsed(url)
    return None if parts is None else parts.host or ""


@optional("athena_url_port", "VARCHAR", "BIGINT")
def url_extract_port(url: str) -> int | None:
    """The port of a URL.

    Args:
        url: The URL.

    Returns:
        The port; None where it has none.
    """
    parts = _parsed(url)
    return None if parts is None else parts.port


@optional("athena_url_path", "VARCHAR", "VARCHAR")
def url_extract_path(url: str) -> str | None:
    """The path of a URL.

    Args:
        url: The URL.

    Returns:
        The path; None where it is no URL.
    """
    parts = _parsed(url)
    return None if parts is None else _decoded(parts.path)


@optional("athena_url_query", "VARCHAR", "VARCHAR")
def url_extract_query(url: str) -> str | None:
    """The query of a URL.

    Args:
        url: The URL.

    Returns:
        The query; None where it is no URL.
    """
    parts = _parsed(url)
    return None if parts is None else _decoded(parts.query)


@optional("athena_url_fragment", "VARCHAR", "VARCHAR")
def url_extract_fragment(url: str) -> str | None:
    """The fragment of a URL.

    Args:
        url: The URL.

    Returns:
        The fragment; None where it is no URL.
    """
    parts = _parsed(url)
    return None if parts is None else _decoded(parts.fragment)


@optional("athena_url_parameter", "VARCHAR, VARCHAR", "VARCHAR")
def url_extract_parameter(url: str, name: str) -> str | None:
    """The first value of a parameter of a URL's query.

    Args:
        url: The URL.
        name: The parameter.

    Returns:
        The value; None where there is none.
    """
    parts = _parsed(url)
    if parts is None or parts.query is None:
        return None
    for pair in parts.query.split("&"):
        key, _, value = pair.partition("=")
        if key == name:
            return _unescaped(value)
    return None


@python("athena_url_encode", "VARCHAR", "VARCHAR")
def url_encode(text: str) -> str:
    """A text as a parameter's value.

    Args:
        text: The text.

    Returns:
        It, escaped.
    """
    return quote_plus(text, safe="*").replace("~", "%7E")


@python("athena_url_decode", "VARCHAR", "VARCHAR")
def url_decode(text: str) -> str:
    """The text of a parameter's value.

    Args:
        text: The value.

    Returns:
        It, without escapes.
    """
    return _unescaped(text)


def _unescaped(text: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        refuse("URLDecoder: Illegal hex characters in escape (%) pattern")
    return unquote(text.replace("+", " "))


for _name in ("protocol", "host", "path", "query", "fragment"):
    scalar(f"url_extract_{_name}(varchar) -> varchar", first(f"athena_url_{_name}", "{0}"))
scalar("url_extract_port(varchar) -> bigint", first("athena_url_port", "{0}"))
scalar("url_extract_parameter(varchar, varchar) -> varchar", first("athena_url_parameter", "{0}", "{1}"))
scalar("url_encode(varchar) -> varchar", "athena_url_encode({0})")
scalar("url_decode(varchar) -> varchar", "athena_url_decode({0})")
