"""Our Contact, in either direction of a call."""


def contact(user: str, sent_by: str, transport: str, secure: bool) -> str:
    """The URI of a Contact of ours: `sips` where that is asked for and the flow is TLS, which it says by itself (RFC 5630 3.1.3)."""
    if secure and transport == "TLS":
        return f"sips:{user}@{sent_by}"
    return f"sip:{user}@{sent_by}" + ("" if transport == "UDP" else f";transport={transport.lower()}")
