"""What a client offers a function: to take a verified stream, and one that goes on in further parts."""

OFFER_KEY, STATE_KEY = "streamify", "streamify-state"  # in custom of the client context
OFFER_HEADER, STATE_HEADER = "streamify-accept", "streamify-state"  # of an HTTP request
VERIFIED, CONTINUE = "verified/1", "continue/1"


def offered(verified: str, continues: int) -> tuple[str, ...]:
    """Return the tokens that these options offer; a function ignores those that it does not know."""
    if verified == "off":
        return ()
    return (VERIFIED, CONTINUE) if continues > 1 else (VERIFIED,)


def is_offered(text: object, token: str) -> bool:
    """Return whether an offer, as it was sent, has this token."""
    return isinstance(text, str) and token in (part.strip() for part in text.split(","))
