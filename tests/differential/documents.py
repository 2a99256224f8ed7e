"""Evaluates environment documents as Flagsmith's Python SDK does in its local evaluation.

    documents.py CASES

CASES has one JSON object a line: `{"document", "identities": [{"identifier", "traits"}]}`. For each the answer is a line
with a list: the flags of each identity, `{name: [enabled, value]}`.
"""

import json
import sys

from flagsmith import mappers

import reference


def flags(context, identity):
    """The flags of an identity, by name."""
    context = mappers.map_context_and_identity_data_to_context(context, identity["identifier"], identity["traits"])
    result = reference.evaluate(context)
    return {name: [flag["enabled"], flag["value"]] for name, flag in result["flags"].items()}


def main():
    with open(sys.argv[1], encoding="utf-8") as cases:
        for line in cases:
            case = json.loads(line)
            context = mappers.map_environment_document_to_context(case["document"])
            # The reference changes its context, but each identity needs the original.
            print(json.dumps([flags(json.loads(json.dumps(context)), identity) for identity in case["identities"]]))


if __name__ == "__main__":
    main()
