"""Human-readable times and sizes."""


def seconds_text(seconds: float) -> str:
    """Format a duration in milliseconds or seconds.

    >>> seconds_text(0.0041), seconds_text(0.412), seconds_text(2.3091)
    ('4.1 ms', '412 ms', '2.31 s')
    """
    if seconds >= 1:
        return f"{seconds:.2f} s"
    milliseconds = seconds * 1000
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"


def counted(number: int, what: str) -> str:
    """Format a number of things, with the noun in singular or plural.

    >>> counted(1, "chunk"), counted(10_000, "chunk")
    ('1 chunk', '10,000 chunks')
    """
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def bytes_text(size: int) -> str:
    """Format a size in decimal units.

    >>> bytes_text(999), bytes_text(4200), bytes_text(3_400_000)
    ('999 bytes', '4.2 kB', '3.4 MB')
    """
    if size < 1000:
        return counted(size, "byte")
    if size < 1_000_000:
        return f"{size / 1000:.1f} kB"
    return f"{size / 1_000_000:.1f} MB"
