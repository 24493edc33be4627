"""docs/OPERATIONS.md names every metric that a daemon of ours exposes."""

from __future__ import annotations

import re
from pathlib import Path

from her_os.daemons import loader_metrics

ROOT = Path(__file__).resolve().parents[1]
MADE = r'(?:Gauge|Counter|Histogram|GaugeMetricFamily)\(\s*"(her_os_\w+)"'


def test_every_metric_is_explained() -> None:
    names = {name for file in (ROOT / "src").rglob("*.py") for name in re.findall(MADE, file.read_text())}
    names |= {f"her_os_loader_{name}" for name in loader_metrics._BOOT}
    names |= {f"her_os_service_{name}" for name in loader_metrics._TIMES}
    assert len(names) > 30
    explained = (ROOT / "docs" / "OPERATIONS.md").read_text()
    assert [name for name in sorted(names) if f"`{name}" not in explained] == []
