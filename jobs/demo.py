"""The main job on photographs that are already on this machine, so that there is something to see at once."""

import sys

from dedup_core.console.registry import run_script

if __name__ == "__main__":
    run_script("demo", sys.argv[1:])
