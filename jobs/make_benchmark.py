"""Photographs and drawn pictures to a labelled corpus: copies of them, and the ground truth in every form."""

import sys

from dedup_core.console.registry import run_script

if __name__ == "__main__":
    run_script("make_benchmark", sys.argv[1:])
