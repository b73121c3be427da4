"""The status callback: who may be told how a call ended, and what is said.

Vonage sends a number's voiceStatusCallback the final SIP response of a call (vonage-facts 9). The fields of that request are not known:
those here are invented. `status` and `detail` use the words of the Voice API's events (vonage-facts 10).
"""

import ipaddress
from collections.abc import Collection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from emulator.journal.record import CallRecord

MAX_URL = 2048

_STATUS = {
    200: ("completed", ""), 404: ("failed", "cannot_route"),
    408: ("timeout", ""), 480: ("unanswered", "unavailable"), 484: ("rejected", "invalid_number"),
    486: ("busy", ""), 487: ("cancelled", ""), 600: ("busy", ""), 603: ("rejected", "declined"),
}  # fmt: skip


def url_problem(url: str, allowed: Collection[str] = ()) -> str | None:
    """Why `url` may not be told, with what to write instead; None when it may. `allowed` are hosts besides loopback addresses."""
    if len(url) > MAX_URL:
        return f"a URL of {len(url)} characters; {MAX_URL} are the most"
    if not url.isascii() or not url.isprintable() or " " in url:
        return "a URL with blanks, control characters or letters beyond ASCII; write them as %HH"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return f"{url[:60]!r} is no URL; write http://127.0.0.1:8080/path"
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return f"{url[:60]!r} is no http URL; write http://127.0.0.1:8080/path"
    if parts.username is not None or parts.password is not None:
        return "a URL with a user or password in it; leave them out"
    host = parts.hostname.lower()
    if host == "localhost" or host in {name.lower() for name in allowed}:
        return None
    try:
        if ipaddress.ip_address(host).is_loopback:
            return None
    except ValueError:
        pass
    return f"host {host[:60]!r} is not this machine; add it to webhook.allowed_hosts"


def payload(record: "CallRecord") -> dict[str, Any]:
    """What is said of a call that is over. Times are Unix time in seconds."""
    status, detail = _STATUS.get(record.status or 0, ("", ""))
    if not status:
        code = record.status or 0
        status, detail = ("rejected", "restricted") if code == 403 else ("failed", "internal_error" if code >= 500 else "cannot_route")
    return {
        "uuid": record.call_id,
        "call": record.id,
        "direction": record.direction,
        "from": record.caller,
        "to": record.called,
        "status": status,
        "detail": detail,
        "sip_code": record.status,
        "sip_reason": record.reason,
        "start_time": record.started,
        "answer_time": record.answered,
        "end_time": record.ended,
        "duration": round((record.ended or 0.0) - record.answered, 3) if record.answered is not None else 0,
        "ended_by": record.ended_by,
        "attempts": [
            {"uri": attempt.uri, "address": attempt.address, "sip_code": attempt.status, "outcome": attempt.outcome}
            for attempt in record.attempts
        ],
    }
