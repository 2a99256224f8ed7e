#!/bin/sh
# Tests a description on the worker at `--url`, by tests/openapi/schemathesis.toml.
set -eu
cd "$(dirname "$0")/.."
scripts/venv.sh .venv-schemathesis tests/openapi/requirements.txt
# Hypothesis writes a database, which no later run needs.
export HYPOTHESIS_STORAGE_DIRECTORY=build/hypothesis
exec .venv-schemathesis/bin/schemathesis --config-file tests/openapi/schemathesis.toml run "$@"
