"""Flagsmith's own evaluation engine (`flagsmith-flag-engine` from PyPI), called as the contract describes.

Two things differ from calling it directly, both because a server cannot answer with an exception:

- where judging a condition raises (an invalid pattern, a division by zero, IN with a null), the condition does not
  match;
- a path that the JSONPath library refuses with any error, not only its syntax error, is a trait's name.
"""

import collections
import warnings

import jsonpath_rfc9535
from flag_engine.engine import get_evaluation_result
from flag_engine.segments import evaluator

raised = collections.Counter()
"""The number of conditions that raised an exception, by operator and exception."""

_judge = evaluator.context_matches_condition
_compile = jsonpath_rfc9535.compile


def _judge_or_no_match(context, condition, segment_key):
    try:
        return _judge(context=context, condition=condition, segment_key=segment_key)
    except Exception as error:
        raised[condition["operator"], type(error).__name__] += 1
        return False


def _compile_or_syntax_error(path):
    try:
        return _compile(path)
    except jsonpath_rfc9535.JSONPathError as error:
        raise jsonpath_rfc9535.JSONPathSyntaxError(*error.args, token=error.token) from error


evaluator.context_matches_condition = _judge_or_no_match
jsonpath_rfc9535.compile = _compile_or_syntax_error
warnings.simplefilter("ignore")


def evaluate(context):
    """The `EvaluationResult` of a context."""
    return get_evaluation_result(context)
