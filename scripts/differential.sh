#!/bin/sh
# Evaluates random contexts here and with Flagsmith's own engine, flag-engine 10 and 11, and fails on
# differences. N contexts for each, from SEED. Then the documents of the embedded origin, after N / 20 + 1 random
# sequences of admin requests, here and with Flagsmith's Python SDK.
set -eu
cd "$(dirname "$0")/.."
N=${N:-10000}
export SEED=${SEED:-1}
mkdir -p build

for engine in 10 11; do
    case $engine in 10) venv=.venv ;; 11) venv=.venv-11 ;; esac
    scripts/venv.sh "$venv" "tests/differential/requirements-$engine.txt"
    "$venv/bin/python" tests/differential/generate.py "$engine" "$N" "$SEED" >"build/differential-$engine.jsonl"
done

DIFFERENTIAL_CASES=$PWD/build/differential-10.jsonl DIFFERENTIAL_CASES_11=$PWD/build/differential-11.jsonl \
    cargo test --test differential -- --nocapture
ORIGIN_SEQUENCES=$((N / 20 + 1)) cargo test --test origin sequences -- --nocapture
