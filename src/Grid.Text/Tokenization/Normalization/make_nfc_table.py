"""Writes nfc.txt, the canonical decompositions and combining classes of Unicode 9, from Python's unicodedata.

Usage: python3 make_nfc_table.py > nfc.txt
Needs a Python of Unicode 9 to 15. Version 9, because that is what the tokenizers library normalizes by: to it, what
came later has no decomposition and class 0. tests/Grid.Text.Tests/RealModels compares every character.
"""
import sys
import unicodedata as u

# Characters of later versions that have a class or decomposition.
LATER = set()
for part in """
7FD 898-89F 8CA-8D3 9FE C3C D3B-D3C EBA 1715 1ABF-1ACE 1DF6-1DFA A82C 10D24-10D27 10EAB-10EAC
10EFD-10EFF 10F46-10F50 10F82-10F85 11070 1133B 1145E 11839-1183A 11938 1193D-1193E 11943 119E0
11A34 11A47 11A99 11D42 11D44-11D45 11D97 11F41-11F42 16FF0-16FF1 1E08F 1E130-1E136 1E2AE
1E2EC-1E2EF 1E4EC-1E4EF
""".split():
    low, _, high = part.partition("-")
    LATER.update(range(int(low, 16), int(high or low, 16) + 1))

print("# Unicode 9. Written by make_nfc_table.py.")
print("# D <code point> <canonical decomposition, one step>; a trailing ! means: never composed back.")
for cp in range(0x110000):
    parts = u.decomposition(chr(cp))
    if not parts or parts.startswith("<") or cp in LATER:
        continue
    composed = u.normalize("NFC", chr(cp)) == chr(cp)
    print(f"D {cp:04X} {parts}{'' if composed else ' !'}")
print("# C <first> <last> <combining class>")
runs = []
for cp in range(0x110000):
    ccc = 0 if cp in LATER else u.combining(chr(cp))
    if ccc and runs and runs[-1][1] == cp - 1 and runs[-1][2] == ccc:
        runs[-1][1] = cp
    elif ccc:
        runs.append([cp, cp, ccc])
for first, last, ccc in runs:
    print(f"C {first:04X} {last:04X} {ccc}")
sys.stdout.flush()
