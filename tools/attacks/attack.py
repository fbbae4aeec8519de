"""Attacks a running site in the ways that an audit would, and prints a table of what held.

    attack.py [NAME...]        attacks whose name contains one of the words; all of them by default

The exit status is 1 if an attack succeeded. attacks.sh starts the site and sets the environment (see attacked_site.py).
"""

import sys
import time

import administration
import connections
import forms
import guesses
import liveness
import operators
import program
import remains
import sandbox
import trail

# Guesses use up what a client may try, so they come after what counts its trials one by one.
ATTACKS = [
    *remains.ATTACKS, *liveness.ATTACKS, *connections.ATTACKS, *forms.ATTACKS, *guesses.ATTACKS,
    *program.ATTACKS, *administration.ATTACKS, *operators.ATTACKS, *sandbox.ATTACKS, *trail.ATTACKS,
]


def main():
    wanted = sys.argv[1:]
    rows = []
    for name, attack in ATTACKS:
        if wanted and not any(word in name for word in wanted):
            continue
        began = time.monotonic()
        held, seen = attack()
        rows.append((name, "held" if held else "SUCCEEDED", f"{time.monotonic() - began:.0f} s", seen))
        print(f"{rows[-1][1]:9}  {name}", file=sys.stderr, flush=True)
    print(f"\n{'attack':58}  {'outcome':9}  {'took':>5}  what was seen")
    for name, outcome, took, seen in rows:
        print(f"{name:58}  {outcome:9}  {took:>5}  {seen}")
    succeeded = sum(outcome != "held" for _, outcome, _, _ in rows)
    print(f"\n{len(rows)} attacks, {succeeded} succeeded")
    return 1 if succeeded or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
