use super::Pattern;
use crate::document::budget::Budget;

/// `None` if the pattern is rejected.
fn matches(pattern: &str, text: &str) -> Option<bool> {
    Pattern::new(pattern).map(|pattern| pattern.matches(text, &mut Budget::default()) == Some(true))
}

#[test]
fn matches_as_python_does() {
    let cases = [
        // Anchored at the start only.
        (r"", "anything", true),
        (r"ab", "abc", true),
        (r"b", "abc", false),
        (r"^b", "a\nb", false),
        (r"a\Z", "a\n", false),
        (r"a$", "a\n", true),
        (r"a$", "a\n\n", false),
        (r"(?m)a$\s^b", "a\nb", true),
        (r"a.b", "a\nb", false),
        (r"(?s)a.b", "a\nb", true),
        (r"\B", "", false),
        (r"\b", "", false),
        (r"\Ba|\bb", "b", true),
        // Repeats.
        (r"a{2,3}$", "aaa", true),
        (r"a{,2}$", "aaa", false),
        (r"a{,}$", "aaa", true),
        (r"a{x}$", "a{x}", true),
        (r"a{}", "a{}", true),
        (r"a{1, 2}$", "a{1, 2}", true),
        (r"(?:ab|a)b$", "ab", true),
        (r"(?:)*b", "b", true),
        (r"(?:a?)*?b", "aab", true),
        (r"(a|ab)(c|bcd)(d*)$", "abcd", true),
        (r"a+?$", "aaa", true),
        (r"a++a", "aaa", false),
        (r"(?:a|ab){2}+", "aba", false),
        (r"(?>a*)ab", "aaab", false),
        (r"((a{1000}){1000}){1000}", "aaa", false),
        // Groups.
        (r"(a)\1$", "aa", true),
        (r"(?i)(a)\1$", "aA", true),
        (r"(?P<x>a|b)(?P=x)$", "ab", false),
        (r"(a)?\1", "b", false),
        (r"(a)?(?(1)b|c)$", "ab", true),
        (r"(a)?(?(1)b|c)$", "c", true),
        (r"(?:(a)|b)*\1$", "abba", true),
        (r"(?(1)a|b)(c)", "bc", true),
        // Looking around.
        (r"(?=ab)a(?!c)", "abc", true),
        (r"(?!ab)a", "abc", false),
        (r"ab(?<=b)c", "abc", true),
        (r"ab(?<!b)c", "abc", false),
        (r"(?<!a)b", "b", true),
        // Characters.
        (r"\d\d$", "1\u{663}", true),
        (r"(?a)\d", "\u{663}", false),
        (r"\d", "²", false),
        (r"\w+$", "aé²_中", true),
        (r"\w", "\u{93E}", false),
        (r"\w", "ⓐ", false),
        (r"\s+$", " \u{A0}\u{1C}\u{2028}", true),
        (r"[^\W\d_]+$", "abc", true),
        (r"[]a-]+$", "a]-", true),
        (r"[\b\x41\101\u0041\U00000041]$", "A", true),
        (r"\x41\101\0$", "AA\0", true),
        (r"[\ud800-\udfff]", "a", false),
        // Letter case.
        (r"(?i)k", "\u{212A}", true),
        (r"(?ai)k", "\u{212A}", false),
        (r"(?i)[h-j]", "İ", true),
        (r"(?i)straße", "STRAẞE", true),
        (r"(?i)ß", "ss", false),
        (r"(?i)[^a]", "A", false),
        (r"(?i)[\W]", "ι", false),
        (r"a(?i:b)c", "aBc", true),
        (r"a(?i:b)c", "aBC", false),
        (r"(?i)a(?-i:b)", "AB", false),
        // Verbose mode and comments.
        (r"(?x) a b # c", "ab", true),
        (r"(?x)a\ [ ]b", "a  b", true),
        (r"(?x)a {2}$", "aa", true),
        (r"a(?#b\)c)d", "ad", true),
        ("(?x)a#\\\nb", "a", true),
    ];
    for (pattern, text, expected) in cases {
        let found = matches(pattern, text);
        assert_eq!(found, Some(expected), "{pattern:?} on {text:?}");
    }
}

#[test]
fn rejects_the_patterns_that_python_rejects() {
    let cases = [
        "\\",
        "{2}",
        r"(?x)a # \",
        "(",
        ")",
        "a)",
        "(?",
        "(?P",
        "(?P<",
        "(?P<a",
        "(?P<a>",
        "(?:",
        "(?#",
        "[",
        "[]",
        "[^]",
        "[a",
        "[a-",
        "*",
        "+a",
        "|*",
        "^*",
        r"\b+",
        "a**",
        "a*?*",
        "a{2}{3}",
        "(?i)*",
        "a{2,1}",
        "a{4294967295}",
        "a{99999999999999999999}",
        r"\q",
        r"\N",
        r"[\A]",
        r"[\B]",
        r"\8",
        r"\1",
        r"(\1)",
        r"\400",
        r"[\400]",
        r"[\8]",
        r"\x4",
        r"\u123",
        r"\U00110000",
        "[b-a]",
        r"[\d-a]",
        r"[a-\d]",
        "(?<=a*)",
        "(?<!a|bc)",
        r"(a)(?<=(b)\2)",
        r"(?<=(a)(?(1)b|c))",
        "(?<a>b)",
        "(?P<1a>b)",
        "(?P<a-b>c)",
        "(?P<a>b)(?P<a>c)",
        "(?P=a)",
        "(?P<a>(?P=a))",
        "(?(a)b)",
        "(?(0)a)",
        "(?(2)a)(b)",
        "(?()a)",
        "(a)(?(1)b|c|d)",
        "a(?i)b",
        "(?i",
        "(?)",
        "(?-)",
        "(?i-)",
        "(?-i)",
        "(?i-i:a)",
        "(?L)a",
        "(?-a:b)",
        "(?au)a",
        "(?a)(?u)b",
        "(?k:a)",
        "(?z)",
    ];
    for pattern in cases {
        assert!(Pattern::new(pattern).is_none(), "{pattern:?}");
    }
}

/// Python accepts these (`docs/compatibility.md`).
#[test]
fn rejects_names_of_characters_and_the_template_flag() {
    for pattern in [
        r"\N{DIGIT ONE}",
        r"\N{digit one}+",
        r"[\N{DIGIT ONE}]",
        r"[\N{DIGIT ONE}-z]",
        r"[^\N{EM DASH}]",
        r"(?i)\N{LATIN SMALL LETTER A}",
        "(?t)a",
        "(?it)a",
    ] {
        assert!(Pattern::new(pattern).is_none(), "{pattern:?}");
    }
}

/// Tries the escapes of all letters and digits. The escape of any other character is that character.
#[test]
fn accepts_the_escapes_that_python_accepts() {
    let taken = |make: fn(char) -> String| {
        let escapes = ('0'..='9').chain('A'..='Z').chain('a'..='z');
        escapes.filter(|c| Pattern::new(&make(*c)).is_some()).collect::<String>()
    };
    assert_eq!(taken(|c| format!("\\{c}")), "0ABDSWZabdfnrstvw");
    assert_eq!(taken(|c| format!("[\\{c}]")), "01234567DSWabdfnrstvw");
    assert_eq!(taken(|c| format!("(a)\\{c}")), "01ABDSWZabdfnrstvw");
    assert_eq!(taken(|c| format!("\\{c}00000041")), "0123ABDSUWZabdfnrstuvwx");
    assert_eq!(taken(|c| format!("[\\{c}00000041]")), "0123DSUWabdfnrstuvwx");
}

#[test]
fn rejects_patterns_beyond_the_limits() {
    let deep = |open: &str, depth| format!("{}a{}", open.repeat(depth), ")".repeat(depth));
    assert!(Pattern::new(&deep("(", 90)).is_some());
    for open in ["(", "(?:", "(?=", "(?>", "(?(1)", "(?i:"] {
        assert!(Pattern::new(&deep(open, 101)).is_none(), "{open:?}");
        assert!(Pattern::new(&open.repeat(9_000)).is_none(), "{open:?}");
    }
    assert!(Pattern::new(&"a".repeat(10_000)).is_some());
    assert!(Pattern::new(&"a".repeat(10_001)).is_none());
}

#[test]
fn catastrophic_backtracking_exhausts_the_budget() {
    let text = "a".repeat(2_000) + "!";
    // Without a limit these matches would not end.
    for pattern in [
        r"(a+)+$",
        r"(a|a)*$",
        r"(a|aa)+$",
        r"(?:a*)*b",
        r"(a*?)*?b",
        r"(.*)(.*)(.*)(.*)\4b",
        r"(?:(?:a{0,1000}){0,1000}){1000}b",
        r"(?:(?:){1000000}){1000000}b",
        r"(?=(a+)+$)",
        r"(?:(?>a?)+)+b",
        r"(?i)(?:[^\Wb-z\d]*)*c",
    ] {
        assert_eq!(matches(pattern, &text), Some(false), "{pattern:?}");
    }
}

#[test]
fn long_texts_are_matched() {
    let text = "ab".repeat(50_000);
    assert_eq!(matches(r".*b$", &text), Some(true));
    assert_eq!(matches(r"(?:ab)+$", &text), Some(true));
    assert_eq!(matches(r"[ab]*?$", &text), Some(true));
}
