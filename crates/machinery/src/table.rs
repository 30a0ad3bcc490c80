//! Cells of tables that the server prints: columns of CRDs, and ages as kubectl shows them.
//!
//! Which columns a kind has, and the frame of the `Table` object, is the API server's business.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Number, Value};

use crate::jsonpath::JsonPath;

/// The declared type of a column (`additionalPrinterColumns[].type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Whole numbers; a fraction is cut off.
    Integer,
    /// Any number.
    Number,
    /// Any value, as text.
    String,
    /// `true` or `false`.
    Boolean,
    /// An RFC 3339 time, shown as the time since then.
    Date,
}

impl ColumnType {
    /// By the word of the CRD.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "integer" => ColumnType::Integer,
            "number" => ColumnType::Number,
            "string" => ColumnType::String,
            "boolean" => ColumnType::Boolean,
            "date" => ColumnType::Date,
            _ => return None,
        })
    }
}

/// A column of a CRD, ready to be evaluated.
#[derive(Debug, Clone)]
pub struct Column {
    /// Where the value is. If the path selects several, the first counts.
    pub path: JsonPath,
    /// What the value is shown as.
    pub kind: ColumnType,
}

impl Column {
    /// The cell of `object` at the time `now`; `null` if the value is missing or does not fit the type.
    pub fn cell(&self, object: &Value, now: Timestamp) -> Value {
        let Some(value) = self.path.first(object).filter(|value| !value.is_null()) else { return Value::Null };
        match (self.kind, value) {
            (ColumnType::String, Value::String(text)) => text.as_str().into(),
            (ColumnType::String, value) => value.to_string().into(),
            (ColumnType::Integer, Value::Number(number)) => whole(number),
            (ColumnType::Number, Value::Number(_)) | (ColumnType::Boolean, Value::Bool(_)) => value.clone(),
            (ColumnType::Date, Value::String(text)) => age_since(text, now).into(),
            _ => Value::Null,
        }
    }
}

fn whole(number: &Number) -> Value {
    if number.is_i64() || number.is_u64() {
        return Value::Number(number.clone());
    }
    // Floating point within ±2⁵³ holds whole numbers exactly; beyond, nothing sensible could be shown.
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    let truncated = number.as_f64().map(f64::trunc).filter(|number| number.abs() <= LIMIT);
    truncated.map_or(Value::Null, |number| {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number within the range checked above")]
        let number = number as i64;
        number.into()
    })
}

/// The time since `timestamp`, an RFC 3339 time, as [`age`]; `<invalid>` if it is none.
pub fn age_since(timestamp: &str, now: Timestamp) -> String {
    match timestamp.parse::<Timestamp>() {
        Ok(then) => age(now.duration_since(then)),
        Err(_) => "<invalid>".to_owned(),
    }
}

/// A duration in two or three significant figures, as kubectl shows ages: `5s`, `3m20s`, `45m`, `5h12m`, `2d3h`, `400d`, `3y40d`.
///
/// Clocks may differ: up to two seconds in the future count as `0s`, more is `<invalid>`.
pub fn age(elapsed: SignedDuration) -> String {
    let seconds = elapsed.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if seconds < -1 => "<invalid>".to_owned(),
        () if seconds < 0 => "0s".to_owned(),
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => two(days, "d", hours % 24, "h"),
        () if days < 2 * 365 => format!("{days}d"),
        () if days < 8 * 365 => two(days / 365, "y", days % 365, "d"),
        () => format!("{}y", days / 365),
    }
}

/// The smaller unit is left out when it is zero.
fn two(large: i64, large_unit: &str, small: i64, small_unit: &str) -> String {
    if small == 0 { format!("{large}{large_unit}") } else { format!("{large}{large_unit}{small}{small_unit}") }
}

#[cfg(test)]
mod tests;
