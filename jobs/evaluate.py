"""Duplicates, and the truth where there is one, to metrics, a sweep over all thresholds, figures and samples."""

import sys

from dedup_core.console.registry import run_script

if __name__ == "__main__":
    run_script("evaluate", sys.argv[1:])
