use super::{Builder, expand, is_name};

fn check(text: &str, expected: &str) {
    let value_of = |name: &str| match name {
        "A" => Some("1"),
        "B" => Some("$(A)"),
        "EMPTY" => Some(""),
        _ => None,
    };
    assert_eq!(expand(text, value_of), expected, "{text:?}");
}

#[test]
fn references_are_replaced_and_everything_else_stays() {
    for (text, expected) in [
        ("", ""),
        ("plain", "plain"),
        ("$(A)", "1"),
        ("x$(A)y$(A)", "x1y1"),
        ("$(EMPTY)", ""),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$()", "$()"),
        ("$A ${A} $ $", "$A ${A} $ $"),
        ("$(A", "$(A"),
        ("$(A$(A)", "$(A$(A)"),
        ("é$(A)é", "é1é"),
    ] {
        check(text, expected);
    }
}

#[test]
fn a_doubled_dollar_protects() {
    check("$$(A)", "$(A)");
    check("$$$(A)", "$1");
    check("$$$$(A)", "$$(A)");
    check("$$", "$");
}

#[test]
fn a_value_is_not_expanded_a_second_time() {
    check("$(B)", "$(A)");
}

#[test]
fn variables_see_only_earlier_ones() {
    let mut builder = Builder::default();
    builder.set_expanded("LATE", "$(FIRST)");
    builder.set("FIRST", "1");
    builder.set_expanded("SECOND", "$(FIRST)2");
    let expected = [("LATE", "$(FIRST)"), ("FIRST", "1"), ("SECOND", "12")];
    assert_eq!(builder.into_pairs(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn a_later_value_takes_the_place_of_an_earlier_one() {
    let mut builder = Builder::default();
    builder.set("A", "1");
    builder.set("B", "2");
    builder.set_expanded("A", "$(A)$(B)");
    assert_eq!(builder.into_pairs(), [("A".to_owned(), "12".to_owned()), ("B".to_owned(), "2".to_owned())]);
}

#[test]
fn names_that_no_environment_can_carry_are_refused() {
    for name in ["", "a=b", "a\nb", "é"] {
        assert!(!is_name(name), "{name:?}");
    }
    for name in ["A", "a.b-c", "1"] {
        assert!(is_name(name), "{name:?}");
    }
}
