"""Article 1 of the Universal Declaration of Human Rights, token by token, as if from a language model."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from streamify_server import streaming_handler

ARTICLE = json.loads(Path(__file__).with_name("article-1.json").read_text(encoding="utf-8"))
# A word and the space after it, or one character of a script without spaces.
TOKEN = re.compile(
    r"[\u0e00-\u0e7f\u3000-\u9fff\uff00-\uffef]|[^\s\u0e00-\u0e7f\u3000-\u9fff\uff00-\uffef]+\s*|\s+"
)


@streaming_handler
def handler(event: dict[str, Any] | None, context: Any) -> Iterator[str]:
    """Yield tokens `delay` seconds apart, in the given `languages` (default: all)."""
    asked = event or {}
    for language in asked.get("languages") or ARTICLE:
        for token in TOKEN.findall(f"{language}: {ARTICLE[language]}\n"):
            yield token
            time.sleep(asked.get("delay", 0))
