//! Numbers and booleans: `int()`, `float()`, and their texts.

use std::cmp::Ordering;
use std::fmt;

/// A whole number of any size, as Python's `int`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Integer {
    /// An integer of at most 128 bits.
    Small(i128),
    /// A longer integer: canonical digits, no leading zero.
    Large {
        /// True if the integer is negative.
        negative: bool,
        /// At least 39 ASCII digits.
        digits: Box<str>,
    },
}

impl Integer {
    /// Parses a sign and ASCII digits, with or without leading zeros.
    pub fn from_digits(negative: bool, digits: &str) -> Integer {
        let digits = digits.trim_start_matches('0');
        match digits.parse::<i128>() {
            Ok(magnitude) => Integer::Small(if negative { -magnitude } else { magnitude }),
            Err(_) if digits.is_empty() => Integer::Small(0),
            Err(_) => Integer::Large { negative, digits: digits.into() },
        }
    }

    /// The nearest float; infinite beyond the range of floats.
    pub fn to_f64(&self) -> f64 {
        match self {
            Integer::Small(value) => *value as f64,
            Integer::Large { .. } => self.to_string().parse().unwrap_or(f64::INFINITY),
        }
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Integer::Small(value) => write!(f, "{value}"),
            Integer::Large { negative, digits } => write!(f, "{}{digits}", if *negative { "-" } else { "" }),
        }
    }
}

impl Ord for Integer {
    fn cmp(&self, other: &Integer) -> Ordering {
        use Integer::{Large, Small};
        match (self, other) {
            (Small(a), Small(b)) => a.cmp(b),
            // Every large integer has a greater absolute value than every small one.
            (Large { negative, .. }, Small(_)) => {
                if *negative {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (Small(_), Large { negative, .. }) => {
                if *negative {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            (Large { negative: true, .. }, Large { negative: false, .. }) => Ordering::Less,
            (Large { negative: false, .. }, Large { negative: true, .. }) => Ordering::Greater,
            (Large { negative, digits: a }, Large { digits: b, .. }) => {
                let magnitude = a.len().cmp(&b.len()).then_with(|| a.cmp(b));
                if *negative { magnitude.reverse() } else { magnitude }
            }
        }
    }
}

impl PartialOrd for Integer {
    fn partial_cmp(&self, other: &Integer) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `int(text)`; `None` if Python raises an error.
pub fn parse_int(text: &str) -> Option<Integer> {
    let text = number_text(text)?;
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text.as_str()),
    };
    let whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    whole.then(|| Integer::from_digits(negative, digits))
}

/// `float(text)`; `None` if Python raises an error. `inf` and `nan` are floats.
pub fn parse_float(text: &str) -> Option<f64> {
    number_text(text)?.parse().ok()
}

/// The first steps of both casts. They strip white space except the ASCII separators, convert decimal digits to ASCII,
/// and drop the underscores between digits. `None` for a misplaced underscore.
fn number_text(text: &str) -> Option<String> {
    let mut number = String::with_capacity(text.len());
    let mut after_digit = false;
    let mut after_underscore = false;
    for c in text.trim().chars() {
        let digit = decimal_digit(c);
        if after_underscore && digit.is_none() {
            return None;
        }
        after_underscore = c == '_';
        if after_underscore {
            if !after_digit {
                return None;
            }
        } else {
            number.push(digit.unwrap_or(c));
        }
        after_digit = digit.is_some();
    }
    (!after_underscore).then_some(number)
}

/// The zeros of Unicode's decimal digits (category Nd); one to nine follow each.
const DIGIT_ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50,
    0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40,
    0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066,
    0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950,
    0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6,
    0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

/// The ASCII form of a decimal digit of any script.
pub fn decimal_digit(c: char) -> Option<char> {
    let code = u32::from(c);
    let after = DIGIT_ZEROS.partition_point(|&zero| zero <= code);
    let zero = DIGIT_ZEROS.get(after.checked_sub(1)?)?;
    char::from_digit(code.checked_sub(*zero).filter(|&value| value < 10)?, 10)
}

/// `str(number)` of a float: the shortest text that parses to the same float, `1.0`, `1e+16`, `1e-05`, `inf`.
pub fn float_text(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    let text = format!("{number:?}");
    // Rust and Python use an exponent for the same numbers, but in different forms.
    match text.split_once('e') {
        None => text,
        Some((mantissa, exponent)) => match exponent.strip_prefix('-') {
            Some(digits) => format!("{mantissa}e-{digits:0>2}"),
            None => format!("{mantissa}e+{exponent:0>2}"),
        },
    }
}

/// `str(bool)`.
pub fn bool_text(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn casts_to_int_as_python() {
        for (text, expected) in [
            ("12", Some("12")),
            (" +1_000\n", Some("1000")),
            ("-007", Some("-7")),
            ("-0", Some("0")),
            ("٣٤", Some("34")),
            ("99999999999999999999999999999999999999999", Some("99999999999999999999999999999999999999999")),
            ("1.0", None),
            ("", None),
            ("+", None),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("1 2", None),
            ("0x10", None),
            ("\x0b5\x0c", Some("5")),
            ("\x1c5", None),
            ("\u{a0}5\u{85}", Some("5")),
        ] {
            assert_eq!(parse_int(text).map(|n| n.to_string()).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn casts_to_float_as_python() {
        for (text, expected) in [
            ("1e3", Some(1000.0)),
            (" 1_0.5 ", Some(10.5)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("Infinity", Some(f64::INFINITY)),
            ("1_e5", None),
            ("1e", None),
            ("", None),
            ("0x1", None),
            ("infin", None),
        ] {
            assert_eq!(parse_float(text), expected, "{text:?}");
        }
        assert!(parse_float("NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn orders_integers_of_any_size() {
        let big = |text: &str| parse_int(text).unwrap();
        let ascending = [
            "-1000000000000000000000000000000000000000",
            "-5",
            "0",
            "7",
            "999999999999999999999999999999999999999",
            "1000000000000000000000000000000000000001",
        ];
        for pair in ascending.windows(2) {
            assert!(big(pair[0]) < big(pair[1]), "{pair:?}");
        }
        assert_eq!(big("0001000000000000000000000000000000000000001"), big(ascending[5]));
    }

    #[test]
    fn writes_floats_as_python() {
        for (number, expected) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e16, "1e+16"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (9999999999999998.0, "9999999999999998.0"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (1.5e-300, "1.5e-300"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(float_text(number), expected);
        }
    }
}
