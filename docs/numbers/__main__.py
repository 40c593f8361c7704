"""Checks every page; a line a number that differs, and exit status 1 where there is one."""

import sys

from docs.numbers.all_pages import check_all
from docs.numbers.claims import summary


def main() -> int:
    pages, faults = check_all()
    for line in faults:
        print(line, file=sys.stderr)
    print("\n".join(summary(pages)))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
