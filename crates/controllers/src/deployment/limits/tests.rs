use serde_json::json;

use super::{Limits, Portion};

fn resolved(surge: &str, unavailable: &str, replicas: i32) -> (i32, i32) {
    let parse = |text: &str| Portion::parse(&serde_json::from_str(text).unwrap_or_else(|_| json!(text))).unwrap();
    let limits = Limits::resolve(parse(surge), parse(unavailable), replicas);
    (limits.surge, limits.unavailable)
}

#[test]
fn surge_is_rounded_up_and_unavailability_down() {
    let table = [
        (("25%", "25%", 10), (3, 2)),
        (("25%", "25%", 4), (1, 1)),
        (("25%", "25%", 3), (1, 0)),
        (("1", "0", 5), (1, 0)),
        (("100%", "100%", 7), (7, 7)),
        (("1%", "0%", 1), (1, 0)),
        (("2", "3", 10), (2, 3)),
    ];
    for ((surge, unavailable, replicas), expected) in table {
        assert_eq!(resolved(surge, unavailable, replicas), expected, "{surge}, {unavailable} of {replicas}");
    }
}

#[test]
fn limits_that_vanish_by_rounding_leave_one_pod_to_take_away() {
    assert_eq!(resolved("0%", "1%", 2), (0, 1));
    assert_eq!(resolved("0", "10%", 9), (0, 1));
}

#[test]
fn no_more_pods_can_be_unavailable_than_there_are() {
    assert_eq!(resolved("0", "5", 2), (0, 2));
    assert_eq!(resolved("0%", "1%", 0), (0, 0));
}

#[test]
fn what_is_neither_count_nor_percentage_is_refused() {
    for value in [json!("25"), json!("a%"), json!(1.5), json!(null), json!([1])] {
        assert_eq!(Portion::parse(&value), None, "{value}");
    }
}
