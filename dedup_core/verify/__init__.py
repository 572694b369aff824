"""Are two pictures the same? Looks refute, pixels decide."""

from dedup_core.verify.files import verify_files
from dedup_core.verify.verdict import Verdict

__all__ = ["Verdict", "verify_files"]
