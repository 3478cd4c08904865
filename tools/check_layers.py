#!/usr/bin/env python3
"""Checks that includes between the folders of src/ go one way, and that each folder has its README.

A folder may include itself and the folders listed for it; the table is read from src/CMakeLists.txt,
so that what is linked and what may be included are one list.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOFT_FILE_LINES = 400


def allowed_includes():
    text = (ROOT / "src" / "CMakeLists.txt").read_text()
    table = {}
    for call in re.findall(r"pawl_library\(([^)]*)\)", text):
        name, *deps = call.split()
        own = [d for d in deps if d in table]
        table[name] = set(own)
    # Order in the file is rank order: a folder can only name folders above it, so no cycle is possible.
    return table


def main():
    table = allowed_includes()
    bad = []
    for folder in sorted(p for p in (ROOT / "src").iterdir() if p.is_dir()):
        if folder.name not in table:
            bad.append(f"src/{folder.name}: no pawl_library line in src/CMakeLists.txt")
            continue
        readme = folder / "README.md"
        lines = readme.read_text().strip().splitlines() if readme.exists() else []
        if [line.split(":")[0] for line in lines] != ["Takes", "Gives", "Must not know"]:
            bad.append(f"src/{folder.name}/README.md: expected three lines: Takes, Gives, Must not know")
        for path in sorted(folder.glob("*.[hc]*")):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                match = re.match(r'\s*#include "(\w+)/', line)
                if not match:
                    continue
                target = match[1]
                if target != folder.name and target not in table[folder.name]:
                    bad.append(f"{path.relative_to(ROOT)}:{number}: src/{folder.name} must not include {target}/")
    for path in sorted((ROOT / "src").rglob("*.[hc]*")):
        count = len(path.read_text().splitlines())
        if count > SOFT_FILE_LINES:
            print(f"note: {path.relative_to(ROOT)} has {count} lines (soft limit {SOFT_FILE_LINES})")
    for line in bad:
        print(line)
    print(f"layers: {len(table)} folders, {len(bad)} violations")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
