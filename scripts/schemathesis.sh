#!/bin/sh
# Tests a description on the server at `--url`, by the settings in a file: SETTINGS DESCRIPTION --url URL
set -eu
cd "$(dirname "$0")/.."
settings=$1
shift
scripts/venv.sh .venv-schemathesis tests/openapi/requirements.txt
# Hypothesis writes a database, which no later run needs.
export HYPOTHESIS_STORAGE_DIRECTORY=build/hypothesis
exec .venv-schemathesis/bin/schemathesis --config-file "$settings" run "$@"
