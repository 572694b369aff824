"""Tables to a page for people: report/index.html."""

import sys

from dedup_core.console.registry import run_script

if __name__ == "__main__":
    run_script("report", sys.argv[1:])
