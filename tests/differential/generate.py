"""Writes random evaluation contexts and the reference's results, one JSON object a line.

    generate.py ENGINE COUNT SEED > cases.jsonl

ENGINE is 10 or 11. The same arguments give the same lines, and a case does not depend on COUNT.

Most segments hold one condition, so that a difference names the condition that it comes from; a few nest rules to
show how verdicts combine. Operands are mostly made from the value that they meet: two random texts never compare in
an interesting way.

Left out, because contexts cannot hold them here: whole numbers beyond 64 bits (as texts they are in), traits that
are lists or objects, infinite and NaN numbers (as texts they are in). Left out, because we differ there and nobody
has been seen to rely on it:

- versions with a number beyond 64 bits are none;
- IN reads a list with NaN, Infinity, a number beyond the floats or half a surrogate pair as text, since that is no
  JSON to us;
- JSONPath filters follow RFC 9535 where the reference's library does not: `[?@]` selects whatever is there, also
  false, zero and the empty text; and true and false are neither less nor greater than numbers;
- paths with match() or search(), or that nest brackets and parentheses deeper than 6 levels, are names of traits;
- flag-engine 11: below `$.flags` only `$.flags.<feature>.<field>` finds anything, with names free of escapes;
- flag-engine 11 judges a segment again for each of its overrides of one feature, and may come to another verdict.
"""

import json
import random
import sys

from flag_engine.utils.hashing import get_hashed_percentage_for_object_ids

import reference

OPERATORS = [
    "EQUAL", "NOT_EQUAL", "GREATER_THAN", "GREATER_THAN_INCLUSIVE", "LESS_THAN", "LESS_THAN_INCLUSIVE",
    "CONTAINS", "NOT_CONTAINS", "REGEX", "MODULO", "IN", "IS_SET", "IS_NOT_SET", "PERCENTAGE_SPLIT",
]  # fmt: skip

VERSIONS = [
    "1.2.3", "1.2.3-rc", "1.2.3-rc.1", "1.2.3-rc.11", "1.2.3-rc.2", "1.2.3-1", "1.2.3-alpha.beta", "1.2.3+build",
    "1.2.3-rc+build", "1.2.4", "1.10.0", "2.0.0", "0.0.0", "v1.2.3", "1.2", "1", "1.02.3", "1.2.3-", "1.2.3-01",
    "1.2.3.4", " 1.2.3", "1.2.3\n", "1.2.3-rc..1", "1.2.3-é", "18446744073709551615.0.0", "1.2.3-99999999999999999999",
    "1.2.3+", "1.2.3-rc-1", "1.2.3+01", "1.2.3--",
]  # fmt: skip

TEXTS = [
    "", " ", "0", "-0", "1", "12", "-12", "007", "-007", " 12", "12 ", "1_0", "+1", "1.0", "1.5", "-1.50", "-0.0",
    "1.", ".5", "1e3", "1E-2", "٣٤", "１２", "1.٣", "inf", "-inf", "Infinity", "nan", "NaN", "True", "true", "FALSE",
    "False", "false", "None", "null", "premium", "Premium", "pre", "a,b", "a", "b", "[1", "[]", "[1,2]", "ключ", "Ключ",
    "é", "e\u0301", "😀", "￿", "line\nbreak", "line\n", "tab\t", "\u00a012\u00a0", "\x1c5", "\u200b5", "0x10", "1,2",
    "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775809",
    "170141183460469231731687303715884105727", "-170141183460469231731687303715884105728",
    "170141183460469231731687303715884105728", "9" * 60, "9" * 400, "9" * 400 + ".5", "0.1", "0.30000000000000004",
    "1.7976931348623157", "123456789.123456789", "it's", 'say "hi"', "back\\slash", *VERSIONS,
]  # fmt: skip

INTEGERS = [0, 1, -1, 2, 3, 4, 7, 10, -2, -7, 12, 34, 100, 2**31, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]

FLOATS = [
    0.0, -0.0, 0.5, 1.0, 1.5, -1.5, 2.0, -2.5, 0.1, 0.2, 0.3, 0.1 + 0.2, 1e16, 1e22, 1e-5, 1e-7, 1.7976931348623157e308,
    5e-324, 123456789.125, 100.0, 9007199254740993.0, 1e100,
]  # fmt: skip

CASTS = ["", "12", " 12 ", "+12", "1_2", "012", "12.0", "1e1", "inf", "-inf", "nan", "٣٤", "1__2", "_12", "12_", "0", "-0"]

MODULO = [
    "2|0", "2|1", "3|1", "3|2", "-3|-1", "-3|-2", "3|-1", "2.5|0", "0.1|0", "0.1|0.05", "0|0", "0.0|0", "-0|0", "inf|4",
    "-inf|1", "inf|inf", "nan|0", "2|nan", "2", "2|", "|", "|1", "2|1|1", " 2 | 0 ", "2_0|1_0", "٢|٠", "a|b", "",
    "1e1|2", "1|0", "1e308|0", "5e-324|0", "7|-0.0", "10|2.0", "4|0",
]  # fmt: skip

SPLITS = ["0", "50", "100", "99.99", " 50 ", "5_0", "1e2", "nan", "inf", "-inf", "-1", "many", "", "0.0", "25.5", "50%", "٥٠"]

PATTERNS = [
    "", ".", ".*", "pre", "premium", "premium$", "^pre", "emium", r"\d+", r"^\d+$", r"-?\d", "[a-z]+$", "True", "1.5",
    "(?i)PREMIUM", "a|b", "[", "(", "*", "(?=p)pre", r"(a)\1", "ключ", r"\w+$", r"1\.0", "a{2}", r"\s", ".+$", "None",
]  # fmt: skip

IN_TEXTS = [
    "", ",", "a,b", "a, b", " a,b", "1,2,12", "1, 2, 12", "12", "007", "7", "1.5,1.0", "True,False", "None", "[]", "[1,2]",
    "[1, 12, -7]", "[1.0, 1.5, 1e3]", "[true, false, null]", '["a", "b", "ключ"]', '["1", "12"]', "[1", "[a,b]", '["a"]x',
    '[["a"], {"k": 1}]', '[" a"]', ' ["a"]', '["a",]', "[1,2", '["a\\u0062"]', "[-0, -0.0]", "[1E5, 1e300, 1e-7]",
    "[12345678901234567890123]", '["1.2.3", "premium"]', "{\"a\": 1}", "\"a\"", "[007]", '["]', "[[[[]]]]", "a,,b", "[\t1 ]\n",
    "['a']",
]  # fmt: skip

TRAITS = [
    "plan", "age", "version", "score", "beta", "a b", "it's", 'say "hi"', "ключ", "", "back\\slash", "$.plan", "$.a b",
    "$.identity.identifier", "$.environment.name", "$.identity.traits.age", "$.identity.*", "$.", "identity", "0", "a.b",
    "a-b", "_x", "1a", "new\nline", "😀",
]  # fmt: skip

PATHS = [
    # Members that all objects may have.
    "$.identity.identifier", "$.identity.key", "$.environment.name", "$.environment.key", "$.identity", "$.identity.traits",
    "$.environment", "$.nothing", "$.identity.nothing", "$.environment.name.length", "$.identity.identifier[0]",
    # Quotes and brackets.
    "$.identity['identifier']", '$.identity["identifier"]', "$['identity']['identifier']", "$.identity[ 'identifier' ]",
    "$.identity .identifier", "$ .identity", "$. identity", "$.identity.'identifier'", "$.identity['identifier']['x']",
    "$.environment['na\\u006de']", "$.environment['na\\x6de']", "$.environment['name", "$.environment[name]", "$.environment[]",
    # Wildcards, unions, descendants.
    "$.*", "$.environment.*", "$.environment[*]", "$.identity.traits.*", "$.identity.traits[*]", "$.identity.*", "$.*.name",
    "$.*.*", "$..name", "$..key", "$..identifier", "$..*", "$..traits.plan", "$..enabled", "$..priority", "$..weight",
    "$.environment['name','key']", "$.environment['nothing','key']", "$..['key']", "$..[0]", "$...key", "$..",
    # Lists.
    "$.segments.*.rules[0].type", "$.segments.*.rules[-1].type", "$.segments.*.rules[9].type", "$.segments.*.rules[0:1].type",
    "$.segments.*.rules[::-1].type", "$.segments.*.rules[::2].type", "$.segments.*.rules[1:].type", "$.segments.*.rules[::0].type",
    "$.segments.*.rules[-2:].type", "$.segments.*.rules[01].type", "$.segments.*.rules[-0].type",
    "$.segments.*.rules[9007199254740992].type", "$.segments.*.rules[0].conditions[0].operator",
    "$.features.*.variants[0].weight", "$.features.*.variants[-1:].value", "$..variants[1].key",
    # Features of the context, which are not flags.
    "$.features.f1.enabled", "$.features.f1.value", "$.features['a b'].key", "$.features.f2.metadata.id", "$.features.ghost.key",
    # Filters.
    "$.identity.traits[?@ == 'premium']", '$.identity.traits[?@ == "premium"]', "$.identity.traits[?@ > 1]",
    "$.identity.traits[?@ >= 1.5]", "$.identity.traits[?@ < 'b']", "$.identity.traits[?@ == true]", "$.identity.traits[?@ == null]",
    "$.identity.traits[?@ != null]", "$.identity.traits[?@ == $.environment.name]", "$.identity.traits[?@ > 'a' && @ < 'z']",
    "$.identity.traits[?@ == 1 || @ == 'a']", "$.identity.traits[?!(@ == 1)]", "$.identity.traits[?(@ <= -1)]",
    "$.features[?@.enabled].key", "$.features[?@.enabled == true].value", "$.features[?!@.variants].key",
    "$.features[?@.variants].key", "$.features[?@.value == 1].name", "$.features[?@.name == 'f1'].enabled",
    "$.segments[?@.overrides[0].priority < 0].name", "$..[?@.weight == 0].value", "$..[?@.key == 'v1'].weight",
    "$.features[?@['name'] == 'f2'].key", "$.segments[?@.rules[0].type == 'ALL'].key", "$.identity.traits[?@ == 1e0]",
    "$.identity.traits[?@ == -0]", "$.identity.traits[?@ == 'it\\'s']", "$.features[?@.value == $.environment.key].key",
    "$.features[?@ == $.features.f1].key", "$.*[?@.key]", "$.identity[?@ == @].x",
    # Functions.
    "$.identity.traits[?length(@) > 2]", "$.identity.traits[?length(@) == 0]", "$.features[?count(@.variants[*]) > 1].name",
    "$.features[?count(@.*) > 5].key",
    "$.features[?value(@.variants[0].weight) == 50].key", "$.features[?length(@.name) == 2].enabled",
    "$.features[?value(@..weight) == 10].key",
    # Filters in filters, and over the whole context.
    "$.segments[?@.rules[?@.type == 'ALL']].key", "$..[?@[?@.weight]].key", "$.features[?count(@.variants[?@.weight > 20]) == 1].key",
    "$.features[?count($.features.*) > 2].name", "$..[?count($..*) > 40].key", "$.segments[?!@.rules[?@.conditions[?@.operator == 'IN']]].name",
    "$.identity.traits[?@ == value($.environment.name)]", "$.features[?length(value(@.variants[?@.weight == 0])) == 3].key",
    # Unions, more than once.
    "$[*,*][*,*]", "$.features['f1','f2']['value','key']", "$..['weight','key']", "$.segments.*.rules[*,0,1:]['type','x']",
    # Ill-typed functions, and texts that are not a path.
    "$.identity.traits[?length(@.*) > 2]", "$.identity.traits[?length(@)]", "$.identity.traits[?count(1) > 2]",
    "$.identity.traits[?unknown(@) > 2]",
    "$.identity.traits[?@.* == 1]", "$.identity.traits[?1]", "$.identity.traits[?'a']", "$.identity.traits[?@ = 1]",
    "$.identity.traits[?@ == ]", "$.identity.traits[? ]", "$.identity.traits[?(@ == 1]", "$.identity.traits[?@ == 01]",
    "$.identity.traits.", "$.identity.traits.a b", "$.identity.traits.1a", "$.", "$.$", "$.identity.traits ", "$.identity\n.key",
    "$.identity[?@ == 'a'", "$.identity.trai\tts", "$.a-b",
]  # fmt: skip

FLAG_PATHS = ["$.flags.{0}.{1}", "$.flags['{0}'].{1}", "$.flags.{0}['{1}']", '$["flags"].{0}.{1}', '$.flags["{0}"]["{1}"]']
FLAG_FIELDS = ["enabled", "value", "variant", "reason", "name"]
REASONS = ["DEFAULT", "STATIC", "TARGETING_MATCH", "TARGETING_MATCH; segment=flag 0", "SPLIT", "ERROR; code=CIRCULAR_DEPENDENCY"]

FEATURES = ["f1", "f2", "f3", "a b", "12", "ключ"]
IDENTIFIERS = ["user", "x", "12", "007", "1.5", "a,b", "", "ключ", "user@example.org", "True", "1.2.3", "😀"]
ENVIRONMENTS = ["env", "12", "Production", "1.0", ""]
# With the key "x", the first two fall on exactly 100 and are hashed again.
KEYS = ["14368", "32563", "1", "2", "10", "", "a,b", "ключ"]


class Generator:
    """Makes one context."""

    def __init__(self, random, engine):
        self.random = random
        self.engine = engine

    def chance(self, probability):
        return self.random.random() < probability

    def pick(self, *pools):
        return self.random.choice(self.random.choice(pools))

    def context(self):
        self.names = self.random.sample(FEATURES, self.random.randint(0 if self.chance(0.1) else 1, 5))
        environment = {"key": self.pick(ENVIRONMENTS), "name": self.pick(ENVIRONMENTS)}
        self.identity = self.make_identity()
        self.identity_key = self.key_of(self.identity, environment)
        members = [("environment", environment)]
        if self.identity or self.chance(0.5):
            members.append(("identity", self.identity))
        if self.names or self.chance(0.5):
            members.append(("features", {name: self.feature(name) for name in self.names}))
        members.append(("segments", dict(self.segments())))
        if self.chance(0.2):
            self.random.shuffle(members)
        return dict(members)

    def make_identity(self):
        if self.chance(0.05):
            return None
        identity = {"identifier": self.pick(IDENTIFIERS, TEXTS)}
        if self.chance(0.6):
            identity["key"] = self.pick(["x", "env_user", ""], IDENTIFIERS, TEXTS)
        if self.chance(0.95):
            names = self.random.sample(TRAITS, self.random.randint(0, 10))
            identity["traits"] = {name: self.scalar() for name in names}
        if self.chance(0.1):
            identity = dict(reversed(identity.items()))
        return identity

    @staticmethod
    def key_of(identity, environment):
        if identity is None:
            return None
        return identity.get("key") or f"{environment['key']}_{identity['identifier']}"

    def scalar(self):
        kind = self.random.random()
        if kind < 0.04:
            return None
        if kind < 0.12:
            return self.chance(0.5)
        if kind < 0.3:
            return self.random.choice(INTEGERS) if self.chance(0.7) else self.random.randint(-(10**6), 10**6)
        if kind < 0.48:
            return self.random.choice(FLOATS) if self.chance(0.7) else self.random.uniform(-1000, 1000)
        return self.pick(TEXTS, TEXTS, VERSIONS)

    def value(self):
        """A flag's value: usually a scalar, but nothing forbids more."""
        return self.random.choice([{"a": [1, None]}, [], ["x"]]) if self.chance(0.05) else self.scalar()

    # Features.

    def feature(self, name):
        feature = {"key": self.pick(KEYS), "name": name, "enabled": self.chance(0.5), "value": self.value()}
        if self.chance(0.4):
            feature["variants"] = self.variants(feature["key"])
        self.add_metadata(feature)
        return feature

    def variants(self, feature_key):
        weights = [0, 0.01, 0.1, 10, 12.5, 25, 30, 33.3, 33.4, 50, 54.54, 100, 120, 1e-5]
        if self.identity_key:
            # The bounds: the lower is inclusive, the upper exclusive.
            weights += [get_hashed_percentage_for_object_ids([feature_key, self.identity_key])] * 3
        variants = []
        for number in range(self.random.randint(0, 4)):
            variant = {
                "value": self.value(),
                "weight": self.random.choice(weights),
                "priority": self.random.choice([number, -number, 1, 0, -0.0, 2.5, 10**12, self.random.randint(-5, 5)]),
            }
            if self.chance(0.7):
                variant["key"] = self.random.choice(["v1", "v2", "control", "", None])
            variants.append(variant)
        return variants

    def add_metadata(self, part):
        if self.chance(0.3):
            part["metadata"] = self.random.choice([{}, {"id": 1}, {"id": None, "nested": {"list": [1, 2.5, "x"]}}])

    # Segments.

    def segments(self):
        for number in range(self.random.randint(0, 10)):
            key = self.pick(KEYS)
            yield f"probe {number}", self.segment(f"probe {number}", key, [{"type": "ALL", "conditions": [self.condition(key)]}])
        for number in range(self.random.randint(0, 5)):
            key = self.pick(KEYS)
            rules = [self.rule(key, 0) for _ in range(self.random.choice([0, 1, 1, 1, 2, 3]))]
            yield f"nested {number}", self.segment(f"nested {number}", key, rules)
        if self.engine == 11:
            for number in range(self.random.randint(1, 6)):
                conditions = [self.flag_condition() for _ in range(self.random.choice([1, 1, 2]))]
                rules = [{"type": self.random.choice(["ALL", "ALL", "ANY", "NONE"]), "conditions": conditions}]
                yield f"flag {number}", self.segment(f"flag {number}", self.pick(KEYS), rules, overrides=0.8)

    def segment(self, name, key, rules, overrides=0.3):
        # Names may repeat; keys of the map do not.
        segment = {"key": key, "name": name if self.chance(0.95) else "twin", "rules": rules}
        if self.chance(overrides):
            overrides = [self.override() for _ in range(self.random.randint(0, 3))]
            if self.engine == 11:
                overrides = list({override["name"]: override for override in overrides}.values())
            segment["overrides"] = overrides
        self.add_metadata(segment)
        return segment

    def override(self):
        name = "ghost" if not self.names or self.chance(0.1) else self.random.choice(self.names)
        override = self.feature(name)
        if self.chance(0.7):
            override["priority"] = self.random.choice([0, -0.0, 1, 1.0, 2, 3, -1, 0.5, -1e308])
        return override

    def rule(self, segment_key, depth):
        rule = {"type": self.random.choice(["ALL", "ANY", "NONE"])}
        if self.chance(0.8):
            rule["conditions"] = [self.condition(segment_key, simple=True) for _ in range(self.random.randint(0, 3))]
        if depth < 3 and self.chance(0.5):
            rule["rules"] = [self.rule(segment_key, depth + 1) for _ in range(self.random.randint(0, 3))]
        return rule

    def condition(self, segment_key, simple=False):
        # Nested rules need mixed results.
        operator = "SOUNDS_LIKE" if self.chance(0.01) else self.random.choice(OPERATORS[:6] if simple else OPERATORS)
        name, value = self.property()
        if operator == "PERCENTAGE_SPLIT" and self.chance(0.5):
            name, value = "", self.identity_key
        return {"property": name, "operator": operator, "value": self.operand(operator, value, segment_key)}

    def property(self):
        """A property, and its probable value."""
        traits = (self.identity or {}).get("traits") or {}
        kind = self.random.random()
        if self.engine == 11 and self.chance(0.1):
            return self.flag_condition()["property"], self.scalar()
        if kind < 0.55 and traits:
            name = self.random.choice(list(traits))
            return self.path_to(name), traits[name]
        if kind < 0.6:
            return self.path_to(self.pick(TRAITS)), self.scalar()
        path = self.random.choice(PATHS)
        if path.endswith("identifier"):
            return path, (self.identity or {}).get("identifier")
        return path, self.scalar()

    def path_to(self, trait):
        if self.chance(0.5):
            return trait
        single = trait.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
        double = trait.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return self.random.choice([
            f"$.identity.traits.{trait}",
            f"$.identity.traits['{single}']",
            f'$.identity.traits["{double}"]',
            f'$.identity["traits"][{json.dumps(trait)}]',
            f"$.identity.traits['{trait}']",
            f"$..traits.{trait}",
            f"$..['{single}']",
        ])  # fmt: skip

    def flag_condition(self):
        field = self.random.choice(FLAG_FIELDS)
        name = "ghost" if not self.names or self.chance(0.05) else self.random.choice(self.names)
        operands = {"enabled": ["true", "false"], "reason": REASONS, "name": FEATURES, "variant": ["control", "v1", ""]}
        operators = ["EQUAL", "EQUAL", "NOT_EQUAL", "IS_SET", "IS_NOT_SET", "REGEX", "CONTAINS"]
        return {
            "property": self.random.choice(FLAG_PATHS[:1] * 5 + FLAG_PATHS).format(name, field),
            "operator": self.random.choice(operators),
            "value": self.random.choice(operands.get(field, TEXTS)),
        }

    # Operands.

    def operand(self, operator, value, segment_key):
        if self.chance(0.02):
            return None
        if operator == "IN":
            return self.members(value)
        if self.chance(0.05):
            return self.pick(TEXTS, CASTS, MODULO, SPLITS, PATTERNS, IN_TEXTS)
        if operator == "MODULO":
            return self.random.choice(MODULO)
        if operator == "REGEX":
            return self.random.choice(PATTERNS)
        if operator == "PERCENTAGE_SPLIT":
            exact = get_hashed_percentage_for_object_ids([segment_key, value])
            return repr(exact) if self.chance(0.2) else self.random.choice(SPLITS)
        text = self.near(value)
        return text + ":semver" if self.chance(0.4 if value in VERSIONS else 0.08) else text

    def near(self, value):
        """A text that compares with the value in some interesting way."""
        text = str(value)
        kind = self.random.random()
        if kind < 0.35:
            return text
        if kind < 0.5 and isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value + self.random.choice([1, -1, 0.5, 1e-9]))
        if kind < 0.65:
            return self.random.choice([f" {text} ", f"+{text}", f"0{text}", f"{text}.0", f"{text}\n", f"{text}_0", f"-{text}"])
        if kind < 0.75:
            start = self.random.randint(0, len(text))
            return text[start : self.random.randint(start, len(text))]
        if value in VERSIONS:
            return self.random.choice(VERSIONS)
        return self.pick(TEXTS, CASTS)

    def members(self, value):
        texts = [self.near(value), str(value), *self.random.sample(TEXTS, 2)]
        self.random.shuffle(texts)
        kind = self.random.random()
        if kind < 0.2:
            return texts
        if kind < 0.25:
            return [value, *self.random.sample([1, 1.0, 12, True, None, "a", [1, "x"], {"k": None}], 2)]
        if kind < 0.5:
            return ",".join(texts)
        if kind < 0.65:
            return json.dumps([value, *texts], ensure_ascii=self.chance(0.5))
        return self.random.choice(IN_TEXTS)


def main():
    engine, count, seed = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    for number in range(count):
        context = Generator(random.Random(f"{engine}/{seed}/{number}"), engine).context()
        # The reference changes its context, but the file needs the original.
        text = json.dumps(context)
        print(f'{{"context": {text}, "result": {json.dumps(reference.evaluate(context))}}}')
    raised = ", ".join(f"{operator} {error} {times}" for (operator, error), times in sorted(reference.raised.items()))
    print(f"{count} contexts for engine {engine}, seed {seed}; the reference raised in: {raised or 'none'}", file=sys.stderr)


if __name__ == "__main__":
    main()
