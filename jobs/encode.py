"""Images to features and failures."""

import sys

from dedup_core.console.registry import run_script

if __name__ == "__main__":
    run_script("encode", sys.argv[1:])
