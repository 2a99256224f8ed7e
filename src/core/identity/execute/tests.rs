use super::super::import::Import;
use super::super::state::Inherited;
use super::super::trait_value::TraitValue;
use super::super::traits::MAX_TRAITS_LENGTH;
use super::*;
use crate::document::{ClientKey, FeatureState, Identifier};

const NOW: u64 = 1_795_362_721_900;

fn context() -> ExecutionContext<'static> {
    ExecutionContext { now: NOW, random: &|| [7; 16] }
}

fn request(command: Command) -> CommandRequest {
    CommandRequest::new(&ClientKey::unchecked("env"), Identifier::normalize("ada"), command)
}

fn apply(identity: &mut Identity, command: Command) -> Result<Change, CommandError> {
    identity.apply(request(command), context())
}

fn text(value: &str) -> Option<TraitValue> {
    Some(TraitValue::Text(value.into()))
}

fn set(traits: &[(&str, Option<TraitValue>)]) -> Command {
    Command::SetTraits(traits.iter().map(|(key, value)| ((*key).into(), value.clone())).collect())
}

fn state(feature: i64, uuid: &str, value: &str) -> FeatureState {
    let json = serde_json::json!({
        "feature": {"id": feature, "name": format!("f{feature}"), "type": "STANDARD"},
        "enabled": true, "feature_state_value": value, "featurestate_uuid": uuid,
        "multivariate_feature_state_values": [],
    });
    serde_json::from_value(json).unwrap()
}

#[test]
fn reading_creates_nothing() {
    let mut identity = Identity::default();
    assert_eq!(apply(&mut identity, Command::Read), Ok(Change::default()));
    assert!(!identity.exists);
    assert!(apply(&mut identity, Command::Create).unwrap().created);
    assert_eq!(apply(&mut identity, Command::Create), Ok(Change::default()));
    let details = identity.details.unwrap();
    assert_eq!(&*details.created_date, "2026-11-22T15:52:01.900000Z");
}

#[test]
fn deletions_come_first_and_the_last_set_wins() {
    let mut identity = Identity::default();
    apply(&mut identity, set(&[("d", text("old")), ("e", text("kept"))])).unwrap();
    let change =
        apply(&mut identity, set(&[("d", text("x")), ("d", None), ("d", text("y")), ("gone", None)]))
            .unwrap();
    assert_eq!(identity.traits.get("d"), text("y").as_ref());
    assert_eq!((change.deleted.as_slice(), change.set.as_slice()), (&[][..], &["d".into()][..]));
    let change =
        apply(&mut identity, set(&[("d", None), ("d", text("x")), ("d", text("y")), ("e", None)])).unwrap();
    assert_eq!((change.deleted.as_slice(), change.set.as_slice()), (&["e".into()][..], &[][..]));
    assert!(!change.created);
}

#[test]
fn unchanged_rows_are_not_written() {
    let mut identity = Identity::default();
    apply(&mut identity, set(&[("n", Some(TraitValue::Integer(1)))])).unwrap();
    assert_eq!(apply(&mut identity, set(&[("n", Some(TraitValue::Integer(1)))])), Ok(Change::default()));
    // The type is part of the value.
    assert_eq!(apply(&mut identity, set(&[("n", Some(TraitValue::Float(1.0)))])).unwrap().set, ["n".into()]);
}

#[test]
fn changed_traits_do_not_update_the_directory() {
    let mut identity = Identity::default();
    assert!(apply(&mut identity, set(&[("a", text("x"))])).unwrap().concerns_entry());
    let sequence = identity.sequence;
    let change = apply(&mut identity, set(&[("a", text("y"))])).unwrap();
    assert!(!change.concerns_entry() && !change.concerns_overrides());
    assert_eq!(identity.sequence, sequence);
}

#[test]
fn an_identity_is_bounded() {
    let mut identity = Identity::default();
    let long = text(&"x".repeat(MAX_TRAITS_LENGTH / 2 - 10));
    apply(&mut identity, set(&[("a", long.clone()), ("b", long.clone())])).unwrap();
    let full = identity.clone();
    assert_eq!(
        apply(&mut identity, set(&[("a", None), ("c", long.clone()), ("d", long.clone())])),
        Err(CommandError::TooLarge)
    );
    assert_eq!(identity, full);
    // Replaced and deleted traits free their space.
    apply(&mut identity, set(&[("a", None), ("c", long)])).unwrap();
    assert_eq!(identity.traits.keys().map(|key| &**key).collect::<Vec<_>>(), ["b", "c"]);
    let value = "x".repeat(19_000);
    let many: Vec<_> = (0..200).map(|feature| state(feature, "u", &value)).collect();
    let full = identity.clone();
    assert_eq!(apply(&mut identity, Command::ReplaceOverrides(many)), Err(CommandError::TooManyOverrides));
    // The stored JSON counts, in which a quote takes two bytes.
    for (value, expected) in [("x", true), ("\"", false)] {
        let many: Vec<_> = (0..50).map(|feature| state(feature, "u", &value.repeat(19_000))).collect();
        let mut identity = identity.clone();
        assert_eq!(apply(&mut identity, Command::ReplaceOverrides(many)).is_ok(), expected);
    }
    assert_eq!(identity, full);
}

#[test]
fn only_whole_numbers_are_incremented() {
    let mut identity = Identity::default();
    apply(&mut identity, Command::Increment("n".into(), 3)).unwrap();
    apply(&mut identity, Command::Increment("n".into(), -1)).unwrap();
    assert_eq!(identity.traits.get("n"), Some(&TraitValue::Integer(2)));
    assert_eq!(apply(&mut identity, Command::Increment("n".into(), i64::MAX)), Err(CommandError::OutOfRange));
    apply(&mut identity, set(&[("s", text("x"))])).unwrap();
    assert_eq!(apply(&mut identity, Command::Increment("s".into(), 1)), Err(CommandError::NotAnInteger));
    assert_eq!(identity.traits.len(), 2);
}

#[test]
fn replacing_traits_keeps_overrides() {
    let mut identity = Identity::default();
    apply(&mut identity, set(&[("a", text("x")), ("b", text("y"))])).unwrap();
    apply(&mut identity, Command::PutOverride(state(1, "u", "v"), false)).unwrap();
    let traits = vec![("b".into(), text("y")), ("c".into(), None), ("d".into(), text("z"))];
    let change = apply(&mut identity, Command::ReplaceTraits(traits)).unwrap();
    assert_eq!((change.set, change.deleted), (vec!["d".into()], vec!["a".into()]));
    assert_eq!(identity.overrides.len(), 1);
}

#[test]
fn overrides_keep_their_name_and_position() {
    let mut identity = Identity::default();
    assert_eq!(apply(&mut identity, Command::CreateOverride(state(1, "a", "x"))), Err(CommandError::Missing));
    for feature in [1, 2] {
        let name = format!("u{feature}");
        apply(&mut identity, Command::PutOverride(state(feature, &name, "x"), false)).unwrap();
    }
    assert_eq!(
        apply(&mut identity, Command::CreateOverride(state(1, "other", "y"))),
        Err(CommandError::OverrideExists)
    );
    let change = apply(&mut identity, Command::PutOverride(state(1, "other", "y"), false)).unwrap();
    assert_eq!(change.overrides_set, [1]);
    // An update is for the state with its UUID. The given feature and its options are ignored.
    let mut update = state(9, "u2", "z");
    let value = r#"[{"id": null, "mv_fs_value_uuid": "m", "percentage_allocation": 100.0,
        "multivariate_feature_option": {"id": 1, "value": "of 9", "key": null}}]"#;
    update.multivariate_feature_state_values = serde_json::from_str(value).unwrap();
    let change = apply(&mut identity, Command::UpdateOverride(update, false)).unwrap();
    assert_eq!(change.overrides_set, [2]);
    assert!(identity.overrides.iter().all(|state| state.multivariate_feature_state_values.is_empty()));
    let shown = |identity: &Identity| -> Vec<_> {
        let states = identity.overrides.iter();
        states.map(|state| (state.feature.id, state.featurestate_uuid.to_string())).collect()
    };
    assert_eq!(shown(&identity), [(1, "u1".to_owned()), (2, "u2".to_owned())]);
    // A repetition changes nothing.
    assert_eq!(apply(&mut identity, Command::PutOverride(state(2, "?", "z"), false)), Ok(Change::default()));
    assert_eq!(apply(&mut identity, Command::DeleteOverride("nobody".into())), Err(CommandError::Missing));
    assert_eq!(apply(&mut identity, Command::DeleteOverride("u1".into())).unwrap().overrides_deleted, [1]);
    assert_eq!(apply(&mut identity, Command::DeleteOverrideOf(1)), Ok(Change::default()));
    let clone = vec![state(2, "new", "z"), state(3, "newer", "z")];
    let change = apply(&mut identity, Command::ReplaceOverrides(clone)).unwrap();
    assert_eq!((change.overrides_deleted, change.overrides_set), (vec![2], vec![2, 3]));
}

#[test]
fn a_recreated_identity_has_a_new_uuid() {
    let mut identity = Identity::default();
    let before = apply(&mut identity, Command::CreateNew(Some("alias".into())));
    assert!(before.unwrap().created);
    assert_eq!(apply(&mut identity, Command::CreateNew(None)), Err(CommandError::Exists));
    let (uuid, born) = (identity.uuid().unwrap().to_owned(), identity.sequence);
    let change = apply(&mut identity, Command::Delete).unwrap();
    assert!(change.erased && change.concerns_entry() && !identity.exists && identity.details.is_none());
    let died = identity.sequence;
    assert_eq!(apply(&mut identity, Command::Delete), Err(CommandError::Missing));
    apply(&mut identity, Command::Create).unwrap();
    assert!(born < died && died < identity.sequence, "{born} {died} {}", identity.sequence);
    // A command for the deleted identity does not change the new one.
    identity.details.as_mut().unwrap().uuid = "another".into();
    let stale = CommandRequest { uuid: Some(uuid.into()), ..request(Command::Delete) };
    assert_eq!(identity.apply(stale, context()), Err(CommandError::Missing));
    assert!(identity.exists);
}

#[test]
fn an_import_equals_its_source() {
    let mut identity = Identity::default();
    apply(&mut identity, set(&[("old", text("x"))])).unwrap();
    let import = Import {
        uuid: Some("there".into()),
        created_date: Some("2020-01-01T00:00:00+00:00".into()),
        dashboard_alias: Some("alias".into()),
        traits: vec![("new".into(), text("y"))],
        overrides: vec![state(1, "u", "v")],
        django_id: Some(12),
    };
    let change = apply(&mut identity, Command::Import(Box::new(import.clone()))).unwrap();
    assert!(change.django_id && change.concerns_entry());
    assert_eq!((change.deleted, change.overrides_set), (vec!["old".into()], vec![1]));
    assert_eq!((identity.uuid(), identity.django_id), (Some("there"), Some(12)));
    assert_eq!(apply(&mut identity, Command::Import(Box::new(import))), Ok(Change::default()));
}

/// The import that a line describes.
fn line(traits: &[(&str, &str)], overrides: &[(i64, &str)]) -> Box<Import> {
    Box::new(Import {
        uuid: None,
        created_date: Some("2020-01-01T00:00:00+00:00".into()),
        dashboard_alias: None,
        traits: traits.iter().map(|(key, value)| ((*key).into(), text(value))).collect(),
        overrides: overrides.iter().map(|(feature, value)| state(*feature, "u", value)).collect(),
        django_id: None,
    })
}

#[test]
fn merging_another_spelling_adds_missing_data_in_any_order() {
    let exact = || Command::Import(line(&[("x", "exact")], &[(1, "exact")]));
    let other = || {
        let traits = [("x", "other"), ("y", "other"), ("z", "other")];
        Command::ImportMissing(line(&traits, &[(2, "other"), (1, "other"), (3, "other")]))
    };
    // From any stored state, for any order and number of lines.
    for before in [&[][..], &[("x", text("sdk")), ("y", text("sdk")), ("old", text("sdk"))][..]] {
        for commands in [
            &[exact(), other()][..],
            &[other(), exact()][..],
            &[other(), exact(), other()][..],
            &[other(), other(), exact(), exact()][..],
        ] {
            let mut identity = Identity::default();
            apply(&mut identity, set(before)).unwrap();
            for command in commands {
                apply(&mut identity, command.clone()).unwrap();
            }
            let traits: Vec<_> =
                identity.traits.iter().map(|(key, value)| (&**key, value.python_text())).collect();
            assert_eq!(traits, [("x", "exact".into()), ("y", "other".into()), ("z", "other".into())]);
            let overrides = identity.overrides.iter();
            let overrides: Vec<_> =
                overrides.map(|state| (state.feature.id, state.feature_state_value.clone())).collect();
            let expected = [(1, "exact"), (2, "other"), (3, "other")];
            assert_eq!(overrides, expected.map(|(feature, value)| (feature, value.into())));
            for command in [exact(), other()] {
                assert_eq!(apply(&mut identity, command), Ok(Change::default()));
            }
        }
    }
}

#[test]
fn merging_into_an_empty_identity_copies_the_other_spelling() {
    let mut identity = Identity::default();
    let mut import = line(&[("x", "other")], &[]);
    import.uuid = Some("there".into());
    import.dashboard_alias = Some("alias".into());
    let change = apply(&mut identity, Command::ImportMissing(import.clone())).unwrap();
    assert!(change.created && change.inherited);
    assert_eq!(
        (identity.uuid(), &*identity.details.as_ref().unwrap().created_date),
        (Some("there"), "2020-01-01T00:00:00+00:00")
    );
    // The exact line comes later, and gives the same.
    let mut exact = line(&[], &[]);
    exact.uuid = Some("here".into());
    apply(&mut identity, Command::Import(exact)).unwrap();
    import.dashboard_alias = Some("another".into());
    assert_eq!(apply(&mut identity, Command::ImportMissing(import)), Ok(Change::default()));
    assert_eq!((identity.uuid(), identity.traits.len()), (Some("here"), 1));
    assert_eq!(identity.details.as_ref().unwrap().dashboard_alias, None);
}

#[test]
fn deleted_data_is_not_inherited_again() {
    let mut identity = Identity::default();
    apply(&mut identity, Command::ImportMissing(line(&[("x", "1"), ("y", "2")], &[(1, "a"), (2, "b")])))
        .unwrap();
    assert!(apply(&mut identity, set(&[("x", None)])).unwrap().inherited);
    assert!(apply(&mut identity, Command::DeleteOverrideOf(1)).unwrap().inherited);
    assert!(!apply(&mut identity, set(&[("y", text("sdk"))])).unwrap().inherited);
    apply(&mut identity, Command::Import(line(&[], &[]))).unwrap();
    assert_eq!(identity.traits.keys().map(|key| &**key).collect::<Vec<_>>(), ["y"]);
    assert_eq!(identity.overrides.iter().map(|state| state.feature.id).collect::<Vec<_>>(), [2]);
    assert!(apply(&mut identity, Command::Delete).unwrap().inherited);
    assert_eq!(identity.inherited, Inherited::default());
}

#[test]
fn inherited_data_counts_towards_the_bounds() {
    let long = "x".repeat(MAX_TRAITS_LENGTH - 10);
    let exact = || Command::Import(line(&[("m", &long)], &[]));
    let other = || Command::ImportMissing(line(&[("a", "123"), ("b", &"x".repeat(100)), ("c", "456")], &[]));
    for commands in [[exact(), other()], [other(), exact()]] {
        let mut identity = Identity::default();
        for command in commands {
            apply(&mut identity, command).unwrap();
        }
        // As many as fit.
        assert_eq!(identity.traits.keys().map(|key| &**key).collect::<Vec<_>>(), ["a", "c", "m"]);
    }
}

#[test]
fn inherited_data_is_bounded_even_if_none_of_it_is_missing() {
    let mut identity = Identity::default();
    let keys: Vec<String> = (0..4).map(|number| format!("key {number}")).collect();
    let own: Vec<_> = keys.iter().map(|key| (key.as_str(), text("own"))).collect();
    apply(&mut identity, set(&own)).unwrap();
    let long = "x".repeat(MAX_TRAITS_LENGTH / 2 - 10);
    for key in &keys {
        apply(&mut identity, Command::ImportMissing(line(&[(key, &long)], &[]))).unwrap();
    }
    assert_eq!(identity.inherited.traits.keys().map(|key| &**key).collect::<Vec<_>>(), ["key 0", "key 1"]);
    assert!(identity.traits.values().all(|value| value.python_text() == "own"));
}

#[test]
fn the_django_id_is_kept_until_the_identity_is_deleted() {
    let import = |django_id| Command::Import(Box::new(Import { django_id, ..Import::default() }));
    let mut identity = Identity::default();
    apply(&mut identity, import(Some(12))).unwrap();
    for command in [
        Command::Create,
        set(&[("a", text("x"))]),
        Command::ReplaceTraits(Vec::new()),
        Command::SetAlias("alias".into()),
        Command::PutOverride(state(1, "u", "v"), false),
        Command::ReplaceOverrides(Vec::new()),
        Command::Resync,
        // From an export by an earlier version.
        import(None),
        // Another identity's at the origin.
        Command::ImportMissing(Box::new(Import { django_id: Some(14), ..Import::default() })),
    ] {
        let change = apply(&mut identity, command.clone()).unwrap();
        assert_eq!((identity.django_id, change.django_id), (Some(12), false), "{command:?}");
    }
    assert!(apply(&mut identity, import(Some(13))).unwrap().django_id);
    assert_eq!(identity.django_id, Some(13));
    assert!(apply(&mut identity, Command::Delete).unwrap().django_id);
    let change = apply(&mut identity, Command::Create).unwrap();
    assert_eq!((identity.django_id, change.django_id), (None, false));
}

#[test]
fn identities_of_earlier_versions_get_their_details_at_the_next_write() {
    let mut identity = Identity { exists: true, ..Identity::default() };
    assert_eq!(apply(&mut identity, Command::Read), Ok(Change::default()));
    let change = apply(&mut identity, Command::Create).unwrap();
    assert!(change.details && !change.created && change.concerns_entry());
    assert_eq!(apply(&mut identity, Command::Create), Ok(Change::default()));
}
