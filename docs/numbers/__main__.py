"""Checks every page; a line a number that differs, and exit status 1 where there is one.

`--list` also prints each number that is not recomputed, with its place and its reason.
"""

import sys

from calrec_recbole.errors import CalrecError


def main() -> int:
    try:
        from docs.numbers.all_pages import check_all  # claims are reckoned as they are read
        from docs.numbers.claims import listed, summary
        from docs.numbers.lacking import ranks_line

        pages, faults = check_all()
    except (CalrecError, KeyError, ValueError) as problem:
        print(f"a claim of docs/numbers asks for what results/ does not hold: {problem}", file=sys.stderr)
        return 1
    for line in listed(pages) if "--list" in sys.argv else []:
        print(line)
    for line in faults:
        print(line, file=sys.stderr)
    print("\n".join([*summary(pages), ranks_line()]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
