"""Writes nfc.txt, the canonical decompositions and combining classes of Unicode, from Python's unicodedata.

Usage: python3 make_nfc_table.py > nfc.txt
"""
import sys
import unicodedata as u

print(f"# Unicode {u.unidata_version}. Written by make_nfc_table.py.")
print("# D <code point> <canonical decomposition, one step>; a trailing ! means: never composed back.")
for cp in range(0x110000):
    parts = u.decomposition(chr(cp))
    if not parts or parts.startswith("<"):
        continue
    composed = u.normalize("NFC", chr(cp)) == chr(cp)
    print(f"D {cp:04X} {parts}{'' if composed else ' !'}")
print("# C <first> <last> <combining class>")
runs = []
for cp in range(0x110000):
    ccc = u.combining(chr(cp))
    if ccc and runs and runs[-1][1] == cp - 1 and runs[-1][2] == ccc:
        runs[-1][1] = cp
    elif ccc:
        runs.append([cp, cp, ccc])
for first, last, ccc in runs:
    print(f"C {first:04X} {last:04X} {ccc}")
sys.stdout.flush()
