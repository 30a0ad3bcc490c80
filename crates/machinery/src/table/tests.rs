//! Cells by declared type, and ages at the limits of their units.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Column, ColumnType, age, age_since};
use crate::jsonpath::JsonPath;

#[test]
fn ages_change_units_where_kubectl_does() {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    let table = [
        (-3600, "<invalid>"),
        (-2, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (5, "5s"),
        (119, "119s"),
        (120, "2m"),
        (121, "2m1s"),
        (200, "3m20s"),
        (10 * MINUTE - 1, "9m59s"),
        (10 * MINUTE, "10m"),
        (45 * MINUTE + 30, "45m"),
        (3 * HOUR - 1, "179m"),
        (3 * HOUR, "3h"),
        (5 * HOUR + 12 * MINUTE, "5h12m"),
        (8 * HOUR - 1, "7h59m"),
        (8 * HOUR, "8h"),
        (2 * DAY - 1, "47h"),
        (2 * DAY, "2d"),
        (2 * DAY + 3 * HOUR, "2d3h"),
        (8 * DAY - 1, "7d23h"),
        (8 * DAY, "8d"),
        (400 * DAY, "400d"),
        (730 * DAY - 1, "729d"),
        (730 * DAY, "2y"),
        (3 * 365 * DAY + 40 * DAY, "3y40d"),
        (8 * 365 * DAY - 1, "7y364d"),
        (8 * 365 * DAY, "8y"),
        (20 * 365 * DAY, "20y"),
    ];
    for (seconds, expected) in table {
        assert_eq!(age(SignedDuration::from_secs(seconds)), expected, "{seconds}");
    }
    assert_eq!(age(SignedDuration::from_millis(-1900)), "0s");
    assert_eq!(age(SignedDuration::MIN), "<invalid>");
}

#[test]
fn cells_have_the_declared_type_or_are_empty() {
    let object = json!({"n": 3, "f": 2.9, "s": "text", "b": true, "o": {"a": [1]}, "null": null, "date": "2024-01-01T00:00:00Z",
        "huge": 1e300});
    let now: Timestamp = "2024-01-03T01:00:00Z".parse().unwrap();
    let cell = |path: &str, kind: &str| {
        Column { path: JsonPath::parse(path).unwrap(), kind: ColumnType::parse(kind).unwrap() }.cell(&object, now)
    };
    let table = [
        (".n", "integer", json!(3)),
        (".f", "integer", json!(2)),
        (".huge", "integer", Value::Null),
        (".s", "integer", Value::Null),
        (".f", "number", json!(2.9)),
        (".b", "number", Value::Null),
        (".b", "boolean", json!(true)),
        (".n", "boolean", Value::Null),
        (".s", "string", json!("text")),
        (".n", "string", json!("3")),
        (".b", "string", json!("true")),
        (".o", "string", json!("{\"a\":[1]}")),
        (".null", "string", Value::Null),
        (".missing", "string", Value::Null),
        (".date", "date", json!("2d1h")),
        (".s", "date", json!("<invalid>")),
        (".n", "date", Value::Null),
        (".missing", "date", Value::Null),
    ];
    for (path, kind, expected) in table {
        assert_eq!(cell(path, kind), expected, "{path} as {kind}");
    }
    assert_eq!(ColumnType::parse("file"), None);
    assert_eq!(age_since("2024-01-03T02:00:00Z", now), "<invalid>");
    assert_eq!(age_since("2024-01-03T03:00:00+02:00", now), "0s");
}
