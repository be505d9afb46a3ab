"""Find out why a deployed function does not stream: `streamify doctor` as a function.

>>> from streamify_client import doctor
>>> report = doctor.examine("report", region_name="eu-central-1")  # doctest: +SKIP
>>> for finding in report.findings:  # doctest: +SKIP
...     print(finding.level, finding.check, finding.seen, finding.cure)
"""

from ._examine import examine
from ._report import Finding, Level, Report

__all__ = ["Finding", "Level", "Report", "examine"]
