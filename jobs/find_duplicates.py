"""Features to pairs, duplicates, groups and removals."""

import sys

from dedup_core.console.registry import run_script

if __name__ == "__main__":
    run_script("find_duplicates", sys.argv[1:])
