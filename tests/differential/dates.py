"""Writes dates as Python 3.11 and pydantic 2 read them: fixtures/dates.json, a JSON list of [input, microseconds or null].

    python3.11 -m venv VENV && VENV/bin/pip install pydantic && VENV/bin/python tests/differential/dates.py > fixtures/dates.json

With a number it writes as many random ones instead.
"""

import json
import random
import re
import sys
from datetime import datetime, timezone

from pydantic import TypeAdapter, ValidationError

PYDANTIC = TypeAdapter(datetime)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

DATES = [
    "2026-01-02", "20260102", "2026-W01", "2026W01", "2026-W01-1", "2026W011", "2026-W53-7", "2026W537", "2025-W53-1",
    "2024-02-29", "2023-02-29", "2000-02-29", "1900-02-29", "2026-04-31", "2026-12-31", "2026-00-01", "2026-13-01",
    "2026-01-00", "2026-01-32", "0001-01-01", "0000-01-01", "9999-12-31", "9999-W52-7", "0001-W01-1", "1600-01-01",
    "1969-12-31", "1970-01-01", "2099-12-31", "10000-01-01", "026-01-02", "2026-1-2", "2026-01", "2026", "202601",
    "2026-0102", "202601-02", "2026W01-1", "2026-W011", "2026-W00-1", "2026-W54-1", "2026-W01-0", "2026-W01-8", "2026-002",
]
SEPARATORS = ["T", "t", " ", "_", "", "é", "-", "0"]
TIMES = [
    "", "03", "03:04", "0304", "03:04:05", "030405", "03:04:05.5", "03:04:05,5", "030405.123456", "03:04:05.123456",
    "03:04:05.1234567", "03:04:05.123456789", "03:04:05.1234567890123456789", "23:59:59.9999999", "00:00", "24:00",
    "23:60", "23:59:60", "03:04:", "03:", "3:04", "03:0405", "0304:05", "03:04:05.", "03.5", "03:04.5", "03:04:05.x",
]
OFFSETS = [
    "", "Z", "z", "+01", "-01", "+0100", "+01:00", "-00:00", "+01:00:00", "+010000", "+01:00:00.5", "+23:59", "-23:59:59",
    "+24:00", "+1", "+01:", "+01:60", "\u221201:00", " +01:00", " Z", "ZZ", "Z+01:00", "+", "UTC",
]
NUMBERS = [
    0, 1, -1, 1752412345, 1752412345.5, 1752412345.123456, 1752412345123, 1752412345123.25, 20000000000, 20000000001,
    20000000000.5, -20000000000, -20000000001, -20000000001.5, 253402300799, 253402300800, 253402300799999, 253402300800000,
    -62135596800, -62135596800000, -62135596800001, 9007199254740993, 9223372036854775807, 1e9, 1e300, -0.0, 0.0000005, -0.5,
    1752412345.9999999,
]
TEXTS = [
    "", " ", "garbage", "now", "never", "+5", "-5", "--5", "+", "-", ".", "5.", ".5", "-.5", "1_000", "0x10", "inf", "-inf",
    "nan", "NaN", "infinity", "1752412345", "1752412345.123456", "1752412345.1234567", "1752412345123", " 1752412345",
    "1752412345 ", "00001752412345", "99999999999999999999", "99999999999999999999.5", "\u0662\u0660\u0662\u0666-01-02",
    "2026-01-02T03:04:05Z\n", " 2026-01-02", "2026-01-02 ", "2026-01-02T", "2026-01-02\u00e903:04:05Z", "2026-01-02\U0001f55303:04",
    "2026-W01T03:04", "2026-W01-1T03:04", "2026-W01-10", "2026-W01-1003", "2026W0110", "2026W01103", "2026W011T03",
    "20260102T030405", "20260102T030405.123Z", "20260102 0304+0100", "20260102030405", "20260102-0304", "2026-01-02T03:04:05:123",
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59.9999999Z",
    "9999-12-31T23:59:59-01:00", "2023-07-14 16:12:00.000000", "2026-01-02T03:04:05.678901+00:00",
    "2026-01-02T03:04:05.6789012+00:00", "2026-01-02T03:04:05.678901234Z", "2026-01-02 03:04:05+00", "2026-01-02 03:04:05 +0000 UTC",
    "Fri, 02 Jan 2026 03:04:05 GMT", "01/02/2026", "2026/01/02", "2026-01-02T03:04:05X+01:00", "2026-01-02T03:04:05.123456X+01:00",
]


def microseconds(date):
    since = (date if date.tzinfo else date.replace(tzinfo=timezone.utc)) - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


# CPython ignores a character between a time and its offset, and any text after six digits. It accepts a
# fraction without digits, after a colon or without a separator. The worker accepts only the space; the other
# forms are no dates.
CLOCK = r"\d\d(:\d\d(:\d\d)?|\d\d(\d\d)?)?([.,]\d+)?"
DATE = r"\d{4}(-\d\d-\d\d|\d{4}|-W\d\d(-\d(?!\d))?|W\d\d\d?)"
ISO = re.compile(rf"{DATE}(.{CLOCK}( ?(Z|[+-]{CLOCK}))?)?", re.ASCII)


def expected(value):
    """The reading of the first of the two that accepts it."""
    if isinstance(value, str):
        # pydantic accepts both forms of an offset, but only few forms of dates.
        text = re.sub("z$", "Z", value.replace("\u2212", "-", 1) if value.rfind("\u2212") > 7 else value)
        try:
            if ISO.fullmatch(text):
                # A space before the offset is ignored only after whole seconds or six digits.
                return microseconds(datetime.fromisoformat(re.sub(rf"(?<=.{{7}}\d) (?=(Z|[+-]{CLOCK})$)", "", text)))
        except ValueError:
            pass
    try:
        return microseconds(PYDANTIC.validate_python(value))
    except ValidationError:
        return None


def some():
    """A form of each part with each form of the others that matters to it, and what stands alone."""
    yield from NUMBERS + TEXTS + DATES
    for date in DATES[:8]:
        for separator in SEPARATORS:
            yield f"{date}{separator}03:04:05"
    for time in TIMES:
        yield from (f"2026-01-02T{time}", f"20260102T{time}Z", f"2026-01-02 {time}+01:00")
    for offset in OFFSETS:
        yield from (f"2026-01-02T03:04:05{offset}", f"20260102T0304{offset}", f"2026-01-02T03:04:05.123456789{offset}")


def random_ones(count):
    draw = random.Random(count)
    for _ in range(count):
        kind = draw.random()
        if kind < 0.2:
            number = draw.choice([draw.randrange(-10**14, 10**15), draw.uniform(-1e13, 1e13), draw.uniform(-3e10, 3e10)])
            yield draw.choice([number, repr(number)])
            continue
        date = draw.choice(DATES) if kind < 0.6 else f"{draw.randrange(10001):04}-{draw.randrange(14):02}-{draw.randrange(33):02}"
        text = date + draw.choice(SEPARATORS) + draw.choice(TIMES) + draw.choice(OFFSETS)
        if draw.random() < 0.5:
            at = draw.randrange(len(text) + 1)
            text = text[:at] + draw.choice(["", *"0123456789-:+.,ZTW "]) + text[at + draw.randrange(2):]
        yield text


values = random_ones(int(sys.argv[1])) if len(sys.argv) > 1 else dict.fromkeys(some())
rows = [json.dumps([value, expected(value)]) for value in values]
print("[\n" + ",\n".join(rows) + "\n]")
