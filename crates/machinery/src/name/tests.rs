//! Names that must be refused, with the sentences that users see.

use proptest::prelude::*;
use serde_json::json;

use super::{
    Rule, check_annotations, check_finalizers, check_label_value, check_labels, check_qualified, check_subdomain,
    generate,
};
use crate::field::Path;

fn rendered(errors: &[crate::field::FieldError]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn names_follow_the_rule_of_their_kind() {
    let long = "a".repeat(64);
    let table = [
        // name, subdomain, label, RFC 1035, path segment
        ("a", true, true, true, true),
        ("a-b", true, true, true, true),
        ("1a", true, true, false, true),
        ("a.b", true, false, false, true),
        ("A", false, false, false, true),
        ("-a", false, false, false, true),
        ("a-", false, false, false, true),
        ("a..b", false, false, false, true),
        ("a_b", false, false, false, true),
        ("ä", false, false, false, true),
        ("", false, false, false, true),
        (&long, true, false, false, true),
        ("system:x", false, false, false, true),
        ("..", false, false, false, false),
        ("a/b", false, false, false, false),
        ("a%b", false, false, false, false),
    ];
    for (name, subdomain, label, rfc1035, segment) in table {
        let verdicts = [Rule::Subdomain, Rule::Label, Rule::Rfc1035Label, Rule::PathSegment]
            .map(|rule| rule.check(name).is_empty());
        assert_eq!(verdicts, [subdomain, label, rfc1035, segment], "{name:?}");
    }
    assert!(Rule::Subdomain.check(&"a".repeat(253)).is_empty());
    assert_eq!(Rule::Subdomain.check(&"a".repeat(254)), ["must be no more than 253 characters"]);
    assert_eq!(Rule::Label.check("a.b"), ["must not contain dots"]);
}

#[test]
fn a_refused_name_is_explained_in_the_words_of_kubernetes() {
    assert_eq!(
        check_subdomain("Foo"),
        [
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end \
          with an alphanumeric character (e.g. 'example.com', regex used for validation is \
          '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        ]
    );
    assert_eq!(
        Rule::Label.check("a_b")[0],
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an \
         alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    );
}

#[test]
fn a_generate_name_may_end_in_a_dash() {
    assert!(Rule::Subdomain.check_prefix("web-").is_empty());
    assert!(Rule::Label.check_prefix("web").is_empty());
    assert!(!Rule::Subdomain.check_prefix("-").is_empty());
    assert!(!Rule::Subdomain.check_prefix("Web-").is_empty());
    assert!(Rule::PathSegment.check_prefix("..").is_empty());
}

#[test]
fn qualified_names_have_at_most_one_prefix() {
    for good in ["a", "A.b_c-d", "example.com/Name", "1"] {
        assert!(check_qualified(good).is_empty(), "{good}");
    }
    let long = format!("a/{}", "x".repeat(64));
    for (bad, count) in [("", 2), ("/a", 1), ("a/", 2), ("A/b", 1), ("a/b/c", 1), ("-a", 1), ("a b", 1), (&long, 1)] {
        assert_eq!(check_qualified(bad).len(), count, "{bad}: {:?}", check_qualified(bad));
    }
    assert_eq!(check_qualified(&long), ["name part must be no more than 63 characters"]);
    assert!(check_label_value("").is_empty());
    assert!(!check_label_value("a b").is_empty());
}

#[test]
fn label_and_annotation_maps_are_checked_entry_by_entry() {
    let path = Path::new("metadata");
    let labels = path.field("labels");
    let errors = check_labels(&labels, &json!({"ok": "", "no no": "fine", "number": 1, "v": "a/b"}));
    let reported = rendered(&errors);
    assert_eq!(errors.len(), 3, "{reported:?}");
    assert_eq!(reported[0], "metadata.labels[number]: Invalid value: 1: must be a string");
    assert!(reported[1].starts_with("metadata.labels: Invalid value: \"no no\": name part must consist of"));
    assert!(reported[2].starts_with("metadata.labels: Invalid value: \"a/b\": a valid label must be an empty string"));

    let annotations = path.field("annotations");
    assert!(check_annotations(&annotations, &json!({"Example.COM/x": "any\ntext"})).is_empty());
    let full = json!({"k": "x".repeat((256 << 10) - 1)});
    assert!(check_annotations(&annotations, &full).is_empty());
    let over = json!({"k": "x".repeat(256 << 10)});
    assert_eq!(
        rendered(&check_annotations(&annotations, &over)),
        ["metadata.annotations: Too long: may not be more than 262144 bytes"]
    );
    assert_eq!(check_annotations(&annotations, &json!([])).len(), 1);
}

#[test]
fn finalizers_are_qualified_names_and_not_contradictory() {
    let path = Path::new("finalizers");
    assert!(check_finalizers(&path, &json!(["orphan", "example.com/x"])).is_empty());
    assert_eq!(check_finalizers(&path, &json!(["orphan", "foregroundDeletion"])).len(), 1);
    assert_eq!(check_finalizers(&path, &json!(["a/b/c", 1])).len(), 2);
    assert_eq!(check_finalizers(&path, &json!("x")).len(), 1);
}

proptest! {
    #[test]
    fn generated_names_are_labels_if_their_base_is_one(base in "[a-z][a-z0-9-]{0,80}", randomness: u64) {
        let name = generate(&base, randomness);
        prop_assert!(name.len() <= 63);
        prop_assert!(base.starts_with(&name[..name.len() - 5]));
        prop_assert!(Rule::Label.check(&name).is_empty(), "{}", name);
    }
}

#[test]
fn randomness_chooses_the_suffix() {
    assert_eq!(generate("web-", 0), "web-bbbbb");
    assert_eq!(generate("web-", 26), "web-9bbbb");
    assert_eq!(generate(&"ä".repeat(40), 0).len(), 58 + 5);
}
