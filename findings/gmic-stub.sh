#!/bin/sh
# The type stub that the package gmic ships is not valid Python, so a type checker stops at `import gmic`.
#
# One would guess: a package with py.typed and an .pyi can be checked against.
# What happens:    mypy reports syntax errors in gmic/__init__.pyi (parameters without a default after one that has it, and an
#                  arrow "→" for "->") and checks nothing further; follow_imports = "skip" alone does not help.
# Versions:        gmic 3.6.3.post1, mypy 2.4.1 (PyPI), Python 3.11.  Date: 2026-11-29.
# Remedy:          follow_imports = "skip" together with follow_imports_for_stubs = true for gmic.
# Output seen:
#   mypy: 3 syntax errors in gmic/__init__.pyi
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q gmic==3.6.3.post1 mypy==2.4.1
echo 'import gmic' > "$work/uses.py"
cd "$work"
found=$(venv/bin/mypy uses.py | grep -c 'gmic/__init__.pyi.*\[syntax\]' || true)
echo "mypy: $found syntax errors in gmic/__init__.pyi"
test "$found" -gt 0
