//! The largest number of rows of a kind and the longest texts, as Flagsmith sets them, and the room that rows may take.

/// Features in a project.
pub const MAX_FEATURES: usize = 1000;
/// Segments in a project.
pub const MAX_SEGMENTS: usize = 500;
/// Segment overrides in an environment.
pub const MAX_SEGMENT_OVERRIDES: usize = 2000;
/// Conditions in a segment.
pub const MAX_CONDITIONS: usize = 100;
/// Rules in a segment, on all levels. Flagsmith has no such limit.
pub const MAX_RULES: usize = 100;
/// Options of a feature. Flagsmith has no such limit.
pub const MAX_OPTIONS: usize = 100;
/// Items in a list of a body.
pub const MAX_LIST_ITEMS: usize = 2000;
/// Faults that are reported of a list.
pub const MAX_FAULTS: usize = 100;
/// Characters of a refused text that its report repeats.
pub const MAX_QUOTE_LENGTH: usize = 200;
/// Levels of rules in a segment.
pub const MAX_RULE_DEPTH: usize = 2;
/// Audit rows of an organisation. A new row takes the place of the oldest.
pub const MAX_AUDIT_ROWS: usize = 10_000;
/// Deleted environments whose client keys are kept. A new row takes the place of the oldest.
pub const MAX_DELETED_ENVIRONMENTS: usize = 10_000;
/// Bytes of JSON of all rows together. In memory they take about 1.6 times as much, and an object has 128 MB.
pub const MAX_STATE_BYTES: usize = 32 * 1024 * 1024;
/// Bytes by which changes of rows may exceed [`MAX_STATE_BYTES`].
pub const STATE_RESERVE_BYTES: usize = 1024 * 1024;
/// Bytes of JSON of one row, since a row of a Durable Object has at most 2 MB.
pub const MAX_ROW_BYTES: usize = 1_800_000;
/// Bytes of JSON of an environment's document, which are the most that the edge serves.
pub const MAX_DOCUMENT_BYTES: usize = 16 * 1024 * 1024;
/// Characters of a name.
pub const MAX_NAME_LENGTH: usize = 2000;
/// Characters of a description.
pub const MAX_DESCRIPTION_LENGTH: usize = 20_000;
