"""Evaluates flags with OpenFeature's provider for Python, unchanged.

Reads {"url", "key", "cases": [{"flag", "type", "default", "context"}]} from stdin, and writes the details of each case.
"""

import json
import sys

from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

given = json.load(sys.stdin)
headers = {"X-API-Key": given["key"]}
api.set_provider(OFREPProvider(given["url"], headers_factory=lambda: headers))
client = api.get_client()


def details(case):
    context = dict(case["context"])
    found = getattr(client, f"get_{case['type']}_details")(
        case["flag"], case["default"], EvaluationContext(context.pop("targetingKey", None), context)
    )
    reason = getattr(found.reason, "value", found.reason)
    return {
        "value": found.value,
        "reason": reason,
        "variant": found.variant,
        "metadata": dict(found.flag_metadata),
        "error": found.error_code and found.error_code.value,
    }


json.dump([details(case) for case in given["cases"]], sys.stdout)
