use serde_json::{Value, json};
use wasm_bindgen_test::wasm_bindgen_test;

use super::*;
use crate::identity::Command;

const UUID: &str = "de3e5754-2d96-47ec-b8d5-05a806eab685";
const STATE: &str = concat!(
    r#"{"feature":{"id":9001,"name":"checkout_redesign","type":"STANDARD"},"enabled":true,"#,
    r#""feature_state_value":"for ada","django_id":null,"featurestate_uuid":"3cb50f8e","#,
    r#""multivariate_feature_state_values":[]}"#,
);

/// The columns of `details` in the order of the table.
fn columns() -> Vec<&'static str> {
    let (_, columns) = SCHEMA.split_once("details (").unwrap();
    columns.split(',').map(|column| column.split_whitespace().next().unwrap()).collect()
}

fn text(value: &str) -> SqlStorageValue {
    value.into()
}

/// Returns the rows that the statement for traits writes for this JSON list of pairs.
fn rows_of(pairs: &str) -> Vec<Vec<SqlStorageValue>> {
    let pairs: Vec<[String; 2]> = serde_json::from_str(pairs).unwrap();
    pairs.into_iter().map(|pair| pair.map(SqlStorageValue::from).to_vec()).collect()
}

fn stored(identity: Identity, pending: PendingUpdates) -> Record {
    let owner = IdentityRef { uuid: UUID.into(), ..IdentityRef::from(&request("k", "ada")) };
    Record { identity, owner: Some(owner), pending }
}

fn existing(dashboard_alias: Option<&str>) -> Identity {
    let details = Details {
        uuid: UUID.into(),
        created_date: "2026-11-29T11:27:21.256000Z".into(),
        dashboard_alias: dashboard_alias.map(Into::into),
    };
    Identity { exists: true, details: Some(details), sequence: 1_795_951_641_460, ..Identity::default() }
}

#[wasm_bindgen_test]
fn details_are_stored_as_before() {
    let deleted = Identity { sequence: 1_795_951_641_460, ..Identity::default() };
    let pending = PendingUpdates { entry: Some(1_795_951_641_459), overrides: None };
    let both = PendingUpdates { entry: None, overrides: Some(1_795_951_641_460) };
    for (record, row) in [
        (
            stored(existing(None), PendingUpdates::default()),
            json!([
                "k",
                "ada",
                UUID,
                "2026-11-29T11:27:21.256000Z",
                null,
                1_795_951_641_460_u64,
                0,
                null,
                null
            ]),
        ),
        (
            stored(existing(Some("a. l.")), pending),
            json!([
                "k",
                "ada",
                UUID,
                "2026-11-29T11:27:21.256000Z",
                "a. l.",
                1_795_951_641_460_u64,
                0,
                1_795_951_641_459_u64,
                null
            ]),
        ),
        // The UUID stays, since the directory may not know yet that the identity was deleted.
        (
            stored(deleted, both),
            json!(["k", "ada", UUID, "", null, 1_795_951_641_460_u64, 1, null, 1_795_951_641_460_u64]),
        ),
    ] {
        let expected: Vec<_> = row.as_array().unwrap().iter().map(sql).collect();
        assert_eq!(details_row(&record), Some(expected));
        assert_eq!(format!("{:?}", super::record(Some(read_details(&row)), false)), format!("{record:?}"));
    }
    assert_eq!(details_row(&Record::default()), None);
}

fn sql(value: &Value) -> SqlStorageValue {
    match value {
        Value::String(value) => text(value),
        Value::Number(value) => value.as_i64().unwrap().into(),
        _ => SqlStorageValue::Null,
    }
}

/// Reads a row of `details` from the JSON that the statement returns.
fn read_details(row: &Value) -> DetailsRow {
    let names = columns().into_iter().skip(1).map(str::to_owned);
    let object: Value = names.zip(row.as_array().unwrap().clone()).collect();
    serde_json::from_value(object).unwrap()
}

#[wasm_bindgen_test]
fn the_statements_of_details_have_all_columns() {
    let columns = columns();
    let names =
        "id environment identifier uuid created_date dashboard_alias sequence erased entry_due overrides_due";
    assert_eq!(columns.join(" "), names);
    for column in &columns[1..] {
        assert!(READ_DETAILS.contains(&format!("'{column}', {column}")), "{column}");
        assert!(SET_DETAILS.contains(&format!("{column} = excluded.{column}")), "{column}");
    }
    assert_eq!(SET_DETAILS.matches('?').count(), columns.len() - 1);
}

#[wasm_bindgen_test]
fn identities_of_the_first_versions_have_no_details() {
    for has_identity_table in [true, false] {
        let record = record(None, has_identity_table);
        let expected = Identity { exists: has_identity_table, ..Identity::default() };
        assert_eq!((record.identity, record.owner), (expected, None));
        assert!(record.pending.is_empty());
    }
    // If `details` has a row, the table of the first versions does not matter.
    let deleted = json!(["k", "ada", UUID, "", null, 5, 1, null, null]);
    assert!(!record(Some(read_details(&deleted)), true).identity.exists);
}

#[wasm_bindgen_test]
fn an_unreadable_row_of_details_is_an_error() {
    let good = json!({
        "environment": "k", "identifier": "ada", "uuid": UUID, "created_date": "", "dashboard_alias": null,
        "sequence": 5, "erased": 0, "entry_due": null, "overrides_due": null,
    });
    let read = |row: &Value| serde_json::from_str::<DetailsRow>(&row.to_string());
    assert!(read(&good).is_ok());
    for (column, value) in [
        ("environment", Value::Null),
        ("uuid", Value::Null),
        ("uuid", json!(7)),
        ("created_date", Value::Null),
        ("sequence", json!(-1)),
        ("sequence", json!("5")),
        ("erased", Value::Null),
        ("entry_due", json!("soon")),
        ("overrides_due", json!(-1)),
    ] {
        let mut row = good.clone();
        row[column] = value;
        assert!(read(&row).is_err(), "{row}");
    }
    let mut row = good.clone();
    row.as_object_mut().unwrap().remove("identifier");
    assert!(read(&row).is_err(), "{row}");
}

#[wasm_bindgen_test]
fn traits_are_stored_as_pairs_of_texts() {
    let sent = r#"{"a":true,"b":9223372036854775807,"c":100.0,"d":-0.0,"e":"ü\""}"#;
    let traits: Traits = serde_json::from_str(sent).unwrap();
    let mut written = Vec::new();
    let pairs = traits.iter().map(|(key, value)| (key, Some(value)));
    for_each_statement(pairs, |pairs| {
        written.push(pairs);
        Ok(())
    })
    .unwrap();
    let pairs = r#"[["a","true"],["b","9223372036854775807"],["c","100.0"],["d","-0.0"],["e","\"ü\\\"\""]]"#;
    assert_eq!(written, [pairs]);
    assert_eq!(super::traits(rows_of(pairs)).unwrap(), traits);
    assert_eq!(super::traits(Vec::new()).unwrap(), Traits::new());
    for unreadable in ["", "gold", "null", "[1]"] {
        assert!(super::traits(vec![vec![text("a"), text("1")], vec![text("b"), text(unreadable)]]).is_err());
    }
}

#[wasm_bindgen_test]
fn a_statement_writes_a_bounded_number_of_traits() {
    for (count, statements) in
        [(0, vec![]), (1, vec![1]), (64, vec![64]), (65, vec![64, 1]), (130, vec![64, 64, 2])]
    {
        let traits: Traits =
            (0..count).map(|number| (format!("{number:03}").into(), TraitValue::Integer(number))).collect();
        let (mut lengths, mut rows) = (Vec::new(), Vec::new());
        let pairs = traits.iter().map(|(key, value)| (key, Some(value)));
        for_each_statement(pairs, |pairs| {
            lengths.push(rows_of(&pairs).len());
            rows.extend(rows_of(&pairs));
            Ok(())
        })
        .unwrap();
        assert_eq!(lengths, statements);
        assert_eq!(super::traits(rows).unwrap(), traits);
    }
}

#[wasm_bindgen_test]
fn traits_after_a_failed_statement_are_not_written() {
    let traits: Traits = (0..100).map(|number| (number.to_string().into(), TraitValue::Bool(true))).collect();
    let mut statements = 0;
    let failed = for_each_statement(traits.iter().map(|(key, value)| (key, Some(value))), |_| {
        statements += 1;
        Err("SQLITE_FULL".into())
    });
    assert!(failed.is_err());
    assert_eq!(statements, 1);
}

#[wasm_bindgen_test]
fn inherited_rows_without_a_key_are_overrides() {
    let later = STATE.replace("9001", "8000");
    let read = inherited(vec![
        vec![text("plan"), text(r#""gold""#)],
        vec![SqlStorageValue::Null, text(STATE)],
        vec![text("points"), text("5")],
        vec![SqlStorageValue::Null, text(&later)],
    ])
    .unwrap();
    assert_eq!(read.traits, serde_json::from_str(r#"{"plan":"gold","points":5}"#).unwrap());
    let texts: Vec<_> = read.overrides.iter().map(|state| serde_json::to_string(state).unwrap()).collect();
    assert_eq!(texts, [STATE, &later]);
    assert_eq!(inherited(Vec::new()).unwrap(), Inherited::default());
    for row in [[text("plan"), text("gold")], [SqlStorageValue::Null, text("{}")]] {
        assert!(inherited(vec![row.to_vec()]).is_err(), "{row:?}");
    }
}

#[wasm_bindgen_test]
fn a_change_is_pending_for_what_it_concerns() {
    let none = PendingUpdates::default();
    let (entry, overrides) =
        (PendingUpdates { entry: Some(7), ..none }, PendingUpdates { overrides: Some(7), ..none });
    let both = PendingUpdates { entry: Some(7), overrides: Some(7) };
    let change = Change::default;
    for (change, pending, with_overrides) in [
        (change(), none, none),
        (Change { set: vec!["a".into()], deleted: vec!["b".into()], ..change() }, none, none),
        (Change { inherited: true, ..change() }, none, none),
        (Change { created: true, ..change() }, entry, entry),
        (Change { erased: true, ..change() }, entry, entry),
        // Each override names the identity.
        (Change { details: true, ..change() }, entry, both),
        (Change { django_id: true, ..change() }, entry, both),
        (Change { overrides_set: vec![1], ..change() }, overrides, overrides),
        (Change { overrides_deleted: vec![1], ..change() }, overrides, overrides),
        (Change { resync: true, ..change() }, both, both),
    ] {
        let states = [vec![], vec![serde_json::from_str(STATE).unwrap()]];
        for (overrides, expected) in states.into_iter().zip([pending, with_overrides]) {
            let identity = Identity { sequence: 7, overrides, ..existing(None) };
            let mut record = Record { identity, ..Record::default() };
            record.record_change(IdentityRef::from(&request("k", "ada")), &change);
            assert_eq!(record.pending, expected, "{change:?}");
            let owner = record.owner.unwrap();
            assert_eq!((&*owner.client_key, &*owner.identifier, &*owner.uuid), ("k", "ada", UUID));
        }
    }
}

#[wasm_bindgen_test]
fn earlier_updates_stay_pending_and_a_deleted_identity_keeps_its_uuid() {
    let pending = PendingUpdates { entry: Some(4), overrides: Some(5) };
    let mut record = stored(Identity { sequence: 7, ..Identity::default() }, pending);
    record.record_change(
        IdentityRef::from(&request("k", "ada")),
        &Change { erased: true, ..Change::default() },
    );
    assert_eq!(record.pending, PendingUpdates { entry: Some(7), overrides: Some(5) });
    assert_eq!(&*record.owner.unwrap().uuid, UUID);
}

#[wasm_bindgen_test]
fn updates_of_later_changes_stay_pending() {
    let updates = |entry, overrides| PendingUpdates { entry, overrides };
    let pending = updates(Some(7), Some(5));
    for (sent, expected) in [
        (pending, updates(None, None)),
        (updates(Some(6), Some(5)), updates(Some(7), None)),
        (updates(Some(7), None), updates(None, Some(5))),
        (updates(Some(5), Some(7)), pending),
        (updates(None, None), pending),
    ] {
        assert_eq!(pending.without(sent), expected, "{sent:?}");
        assert_eq!(pending.without(sent).is_empty(), sent == pending);
    }
}

fn request(client_key: &str, identifier: &str) -> CommandRequest {
    let identifier = Identifier::verbatim(identifier);
    CommandRequest::new(&ClientKey::unchecked(client_key), identifier, Command::Read)
}

#[wasm_bindgen_test]
fn client_key_and_identifier_name_an_identity() {
    let owner = IdentityRef { uuid: UUID.into(), ..IdentityRef::from(&request("k", "ada")) };
    for (client_key, identifier, expected) in
        [("k", "ada", true), ("k", "ada ", false), ("K", "ada", false), ("ada", "k", false)]
    {
        let request = request(client_key, identifier);
        assert_eq!(owner.is_of(&request), expected, "{client_key} {identifier}");
        assert_eq!(owner.is_same(&IdentityRef::from(&request)), expected, "{client_key} {identifier}");
    }
}
