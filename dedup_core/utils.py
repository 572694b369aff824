"""The one name that imagededup's users import from here."""

from dedup_core.plotting.duplicates import plot_duplicates

__all__ = ["plot_duplicates"]
