"""The one name that imagededup's users import from here."""

from dedup_core.plotting import plot_duplicates

__all__ = ["plot_duplicates"]
