"""`report.html`: everything that a run found out, on one page that needs nothing else."""

from __future__ import annotations

from ...contracts import OptimizationResponse
from .page import render_page
from .view import report_view


def render(response: OptimizationResponse) -> str:
    """Return the report as one HTML document: no script, no network, everything from outside escaped."""
    return render_page("report.html.j2", vars(report_view(response)))
