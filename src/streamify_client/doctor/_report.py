"""The result of an examination."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["ok", "warn", "FAIL", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report.

    Attributes:
        level: "ok", "warn" (works, with a drawback), "FAIL" (does not stream, or not for everybody), or
            "unknown" (could not be read).
        check: The name of the check, such as ``"url.invoke-mode"``; stable, for programs.
        seen: What was found, as a sentence.
        cure: What to do about it; empty if there is nothing to do.
    """

    level: Level
    check: str
    seen: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of `examine`.

    Attributes:
        target: The function or URL that was examined.
        findings: In the order of the checks.
        not_checked: Sentences about what was not examined.
    """

    target: str
    findings: tuple[Finding, ...]
    not_checked: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether any finding is a "FAIL"."""
        return any(finding.level == "FAIL" for finding in self.findings)

    def as_dict(self) -> Mapping[str, Any]:
        """Return what ``--json`` prints: target, failed, findings (level, check, seen, cure), not_checked."""
        return {
            "target": self.target,
            "failed": self.failed,
            "findings": [
                {"level": each.level, "check": each.check, "seen": each.seen, "cure": each.cure}
                for each in self.findings
            ],
            "not_checked": list(self.not_checked),
        }
