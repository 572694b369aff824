"""Images to features, pairs, duplicates, groups and removals, in one run."""

import sys

from dedup_core.console.registry import run_script

if __name__ == "__main__":
    run_script("pipeline", sys.argv[1:])
