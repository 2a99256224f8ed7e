use super::{Comparable, Filter, Literal, Operator, Query, Selector};

#[test]
fn paths_that_flagsmith_accepts_are_accepted() {
    for path in [
        "$.a",
        "$ .a",
        "$.a-b",
        "$.ключ",
        "$\t['a'] [ \"b\" ]\n..c",
        "$..*",
        "$..[*]",
        "$..['a', 'b' , 0]",
        "$[0][-1]",
        "$[1:2:3][::-1][ 1 : 2 : 3 ][:][1:]",
        "$['\\ud83d\\uDE00 \\u00e9 \\' \\/ \\\\ \\n']",
        "$[\"it's\"]['😀']",
        "$[?@.a][? !@.a && (@.b || !(@.c == 1))]",
        "$[?@.a == 'x', ?@[0] != -1.5e-3]",
        "$[?1 < @.a][?null == @.a][?true != false]",
        "$[?@ == $.a.b[0]]",
        "$[?@[?@.a]]",
        "$[?count($..*) > 5]",
        "$[?length(@.a) >= length('abc')][?value(@..a) == 1][?length(value(@.*)) == 2]",
        "$[?length( @ )==1]",
    ] {
        assert!(Query::new(path).is_some(), "{path}");
    }
}

#[test]
fn paths_that_flagsmith_refuses_are_refused() {
    for path in [
        "",
        "a",
        "$.",
        "$..",
        "$...a",
        "$. a",
        "$.. a",
        "$.a ",
        "$.1a",
        "$.-a",
        "$.😀",
        "$.a b",
        "$.'a'",
        "$[]",
        "$[a]",
        "$['a'",
        "$['a',]",
        "$['a'] 'b'",
        "$['\\x41']",
        "$['\\\"']",
        "$['\\ud83d']",
        "$['\\ude00']",
        "$['\\u12']",
        "$['\\u0007']",
        "$['a\nb']",
        "$[01]",
        "$[-0]",
        "$[1.0]",
        "$[9007199254740992]",
        "$[1:2:3:4]",
        "$[00:1]",
        "$[?]",
        "$[?1]",
        "$[?'a']",
        "$[?@.a = 1]",
        "$[?@.a == ]",
        "$[?@.* == 1]",
        "$[?@.a == 1 == 2]",
        "$[?(@.a]",
        "$[?@.a)]",
        "$[?!1]",
        "$[?@ == 01]",
        "$[?@ == 1.]",
        "$[?@ == 1e]",
        "$[?@ == +1]",
        "$[?@ == [1]]",
        "$[?length(@)]",
        "$[?length(@.*) > 2]",
        "$[?length (@) > 2]",
        "$[?count(1) > 2]",
        "$[?count(@, @) > 2]",
        "$[?unknown(@) > 2]",
        "$[?match(@.a, 'x')]",
        "$[?search(@.a, 'x')]",
    ] {
        assert!(Query::new(path).is_none(), "{path}");
    }
}

#[test]
fn nesting_is_bounded() {
    let filters = |depth| format!("${}{}", "[?@".repeat(depth), "]".repeat(depth));
    let parentheses = |depth| format!("$[?{}@{}]", "(".repeat(depth), ")".repeat(depth));
    let functions = |depth| format!("$[?{}@{} == 1]", "length(".repeat(depth), ")".repeat(depth));
    assert!(Query::new(&filters(6)).is_some());
    assert!(Query::new(&parentheses(5)).is_some() && Query::new(&functions(5)).is_some());
    for depth in [7, 100_000] {
        assert!(Query::new(&filters(depth)).is_none());
        assert!(Query::new(&parentheses(depth)).is_none() && Query::new(&functions(depth)).is_none());
    }
    assert!(Query::new(&format!("${}", "[0]".repeat(10_000))).is_some());
}

#[test]
fn literals_are_read_as_in_python() {
    for (text, expected) in [
        ("1", Literal::Integer(1)),
        ("-0", Literal::Integer(0)),
        ("1e2", Literal::Integer(100)),
        ("9007199254740993", Literal::Integer(9_007_199_254_740_992)),
        ("1.0", Literal::Float(1.0)),
        ("1e-1", Literal::Float(0.1)),
        ("'\\u00e9'", Literal::Text("é".into())),
    ] {
        let query = Query::new(&format!("$[?@ == {text}]")).unwrap();
        let Selector::Filter(Filter::Compare(_, Operator::Equal, Comparable::Literal(literal))) =
            &query.segments[0].selectors[0]
        else {
            panic!("{query:?}")
        };
        assert_eq!(*literal, expected, "{text}");
    }
}
