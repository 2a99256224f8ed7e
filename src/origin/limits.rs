//! The largest number of rows of a kind, as Flagsmith sets them.

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
/// Levels of rules in a segment.
pub const MAX_RULE_DEPTH: usize = 2;
/// Audit rows in a deployment. A new row takes the place of the oldest.
pub const MAX_AUDIT_ROWS: usize = 10_000;
