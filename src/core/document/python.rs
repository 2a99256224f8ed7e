//! Python's conversions between values and texts: `int()`, `float()`, `str()`, `repr()`.
//!
//! Conditions cast their operand with `int()` and `float()`; hashes and patterns use the `str()` of values. A list or
//! object that is sent as a trait is stored as its `repr()` (contract §A.3, §C.2).

mod number;
mod repr;
mod space;

pub use number::{Integer, bool_text, decimal_digit, float_text, parse_float, parse_int};
pub use repr::{json_text, short_json_text};
pub use space::{is_space, strip};
