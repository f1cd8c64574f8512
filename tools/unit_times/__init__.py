"""What each unit of a model takes in each form, and what changes of form cost."""

from .tool import time_units, unit_times_tool

__all__ = ["time_units", "unit_times_tool"]
