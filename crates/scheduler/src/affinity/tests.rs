use client::kinds::core::v1::{PodSpec, Taint, Toleration};
use serde_json::{Value, json};

use super::{Labels, Wishes, accepts, liking, tolerates};

fn wishes(mut spec: Value) -> Wishes {
    spec["containers"] = json!([]);
    Wishes::of(&serde_json::from_value::<PodSpec>(spec).unwrap())
}

fn required(terms: Value) -> Wishes {
    let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}});
    wishes(json!({"affinity": {"nodeAffinity": required}}))
}

fn labels() -> Labels {
    let pairs = [("zone", "a"), ("cores", "8"), ("kubernetes.io/hostname", "one")];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[test]
fn every_operator_means_what_it_says() {
    let table = [
        (json!({"key": "zone", "operator": "In", "values": ["a", "b"]}), true),
        (json!({"key": "zone", "operator": "In", "values": ["b"]}), false),
        (json!({"key": "none", "operator": "In", "values": ["a"]}), false),
        (json!({"key": "zone", "operator": "NotIn", "values": ["a"]}), false),
        (json!({"key": "none", "operator": "NotIn", "values": ["a"]}), true),
        (json!({"key": "zone", "operator": "Exists"}), true),
        (json!({"key": "none", "operator": "Exists"}), false),
        (json!({"key": "none", "operator": "DoesNotExist"}), true),
        (json!({"key": "zone", "operator": "DoesNotExist"}), false),
        (json!({"key": "cores", "operator": "Gt", "values": ["4"]}), true),
        (json!({"key": "cores", "operator": "Gt", "values": ["8"]}), false),
        (json!({"key": "cores", "operator": "Lt", "values": ["16"]}), true),
        (json!({"key": "zone", "operator": "Lt", "values": ["16"]}), false),
        (json!({"key": "none", "operator": "Gt", "values": ["0"]}), false),
    ];
    for (expression, expected) in table {
        let wishes = required(json!([{"matchExpressions": [expression]}]));
        assert_eq!(accepts(&wishes, "one", &labels()), expected, "{expression}");
    }
}

#[test]
fn terms_are_alternatives_and_their_parts_are_not() {
    let yes = || json!({"key": "zone", "operator": "In", "values": ["a"]});
    let no = || json!({"key": "zone", "operator": "In", "values": ["b"]});
    let holds = |terms: Value| accepts(&required(terms), "one", &labels());
    assert!(holds(json!([{"matchExpressions": [no()]}, {"matchExpressions": [yes()]}])));
    assert!(!holds(json!([{"matchExpressions": [no(), yes()]}])));
    assert!(!holds(json!([{}])), "an empty term matches nothing");
    let by_name = |name: &str| json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}]);
    assert!(holds(by_name("one")));
    assert!(!holds(by_name("two")));
}

#[test]
fn the_node_selector_and_the_affinity_must_both_hold() {
    assert!(accepts(&wishes(json!({})), "one", &Labels::new()));
    assert!(accepts(&wishes(json!({"nodeSelector": {"zone": "a", "cores": "8"}})), "one", &labels()));
    assert!(!accepts(&wishes(json!({"nodeSelector": {"zone": "a", "disk": "fast"}})), "one", &labels()));
}

#[test]
fn what_is_preferred_adds_up() {
    let term = |weight: i32, key: &str| json!({"weight": weight, "preference": {"matchExpressions": [{"key": key, "operator": "Exists"}]}});
    let preferred = json!([term(10, "zone"), term(5, "cores"), term(50, "none")]);
    let wishes =
        wishes(json!({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}}));
    assert_eq!(liking(&wishes, "one", &labels()), 15);
}

#[test]
fn a_toleration_covers_key_value_and_effect() {
    let taint: Taint = serde_json::from_value(json!({"key": "gpu", "value": "big", "effect": "NoSchedule"})).unwrap();
    let table = [
        (json!({"key": "gpu", "value": "big", "effect": "NoSchedule"}), true),
        (json!({"key": "gpu", "operator": "Equal", "value": "big"}), true),
        (json!({"key": "gpu", "operator": "Exists"}), true),
        (json!({"operator": "Exists"}), true),
        (json!({"key": "gpu", "value": "small"}), false),
        (json!({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}), false),
        (json!({"key": "fpga", "operator": "Exists"}), false),
        (json!({"value": "big"}), false),
    ];
    for (toleration, expected) in table {
        let parsed: Toleration = serde_json::from_value(toleration.clone()).unwrap();
        assert_eq!(tolerates(&[parsed], &taint), expected, "{toleration}");
    }
    assert!(!tolerates(&[], &taint));
}
