//! Dates are read as Python 3.11 and pydantic 2 read them: `tests/differential/dates.py` writes the table.

use flagsmith_edge_worker::document::Timestamp;
use flagsmith_edge_worker::document::json::Json;
use serde_json::Value;

#[test]
fn dates_are_read_as_python_and_pydantic_read_them() {
    // A larger table from outside the project.
    let table = std::env::var("DATES").ok();
    let path = table.as_deref().unwrap_or("fixtures/dates.json");
    let rows: Vec<(Value, Option<i64>)> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let refused = rows.iter().filter(|(_, expected)| expected.is_none()).count();
    match table {
        None => assert_eq!((rows.len(), refused), (349, 122)),
        Some(table) => {
            assert!(rows.len() > refused && refused > 0, "{table}: {} rows, {refused} refused", rows.len())
        }
    }
    let mut failures = Vec::new();
    for (input, expected) in &rows {
        let source = input.to_string();
        let read = Timestamp::from_json(Json::parse(source.as_bytes()).unwrap());
        let read = read.map(|timestamp| serde_json::to_value(timestamp).unwrap().as_i64().unwrap());
        if read != *expected {
            failures.push(format!("{source}: {read:?}, and Python {expected:?}"));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
