#!/bin/sh
# Creates a Python environment, and again when its versions change: FOLDER REQUIREMENTS
set -eu
if ! cmp -s "$2" "$1/requirements.txt"; then
    python3 -m venv --clear "$1"
    "$1/bin/pip" install --quiet --disable-pip-version-check --requirement "$2"
    cp "$2" "$1/requirements.txt"
fi
