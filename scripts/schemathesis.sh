#!/bin/sh
# Tries a description on the worker that listens at `--url`, as tests/openapi/schemathesis.toml says.
set -eu
cd "$(dirname "$0")/.."
scripts/venv.sh .venv-schemathesis tests/openapi/requirements.txt
# Hypothesis keeps notes, which no later run needs.
export HYPOTHESIS_STORAGE_DIRECTORY=build/hypothesis
exec .venv-schemathesis/bin/schemathesis --config-file tests/openapi/schemathesis.toml run "$@"
