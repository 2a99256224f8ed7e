"""Writes the reference's result into cases: fixtures of ours whose `context` was written by hand.

    record.py CASE.json...

Run it with the Python of `.venv` for fixtures/engine, with that of `.venv-11` for fixtures/engine-11.
"""

import json
import pathlib
import sys

import reference

WIDTH = 110


def pretty(value, indent=0, prefix=""):
    """JSON with everything on one line that fits."""
    line = json.dumps(value, ensure_ascii=False)
    if indent + len(prefix) + len(line) < WIDTH or not isinstance(value, (dict, list)):
        return prefix + line
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        keys = (json.dumps(key, ensure_ascii=False) + ": " for key in value)
        parts = [pretty(part, indent + 2, key) for key, part in zip(keys, value.values())]
        opening, closing = "{}"
    else:
        parts = [pretty(part, indent + 2) for part in value]
        opening, closing = "[]"
    body = ",\n".join(inner + part for part in parts)
    return f"{prefix}{opening}\n{body}\n{' ' * indent}{closing}"


def main():
    for path in map(pathlib.Path, sys.argv[1:]):
        context = json.loads(path.read_text())["context"]
        result = reference.evaluate(json.loads(json.dumps(context)))
        path.write_text(pretty({"context": context, "result": json.loads(json.dumps(result))}) + "\n")


if __name__ == "__main__":
    main()
