//! Query strings.

use std::borrow::Cow;

/// The last value of a name in a query string, as in Django.
pub fn last<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    let [value] = last_of(query, [name]);
    value
}

/// The last value of each of these names.
pub fn last_of<'q, const N: usize>(query: &'q str, names: [&str; N]) -> [Option<Cow<'q, str>>; N] {
    let mut values = [const { None }; N];
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let at = names.iter().position(|wanted| name == *wanted);
        if let Some(slot) = at.and_then(|at| values.get_mut(at)) {
            *slot = Some(value);
        }
    }
    values
}

/// True for every value except an empty one, `0` and `false`.
pub fn is_yes(value: Option<&str>) -> bool {
    value.is_some_and(|value| !matches!(value.to_lowercase().as_str(), "" | "0" | "false"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_name_counts() {
        let query = "a=1&b=x%20y&a=2&%63=&d";
        assert_eq!(
            last_of(query, ["a", "b", "c", "d", "e"]).map(|value| value.map(Cow::into_owned)),
            [Some("2"), Some("x y"), Some(""), Some(""), None].map(|value| value.map(str::to_owned))
        );
        for (value, expected) in [
            (None, false),
            (Some(""), false),
            (Some("0"), false),
            (Some("False"), false),
            (Some("true"), true),
        ] {
            assert_eq!(is_yes(value), expected, "{value:?}");
        }
    }
}
