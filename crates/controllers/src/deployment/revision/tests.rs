use super::{Annotations, annotations_of_new, count, revision};

fn annotations(pairs: &[(&str, &str)]) -> Annotations {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";

#[test]
fn a_first_replica_set_has_revision_one_and_no_history() {
    let changed = annotations_of_new(&annotations(&[]), &annotations(&[]), 0);
    assert_eq!(changed, annotations(&[(REVISION, "1")]));
}

#[test]
fn a_replica_set_that_serves_again_remembers_its_earlier_revisions() {
    let served = annotations(&[(REVISION, "4"), (HISTORY, "1,2")]);
    let changed = annotations_of_new(&served, &annotations(&[]), 5);
    assert_eq!(changed, annotations(&[(REVISION, "6"), (HISTORY, "1,2,4")]));
}

#[test]
fn the_greatest_revision_stays_when_older_sets_are_gone() {
    let newest = annotations(&[(REVISION, "7")]);
    assert_eq!(annotations_of_new(&newest, &annotations(&[]), 0), annotations(&[]));
}

#[test]
fn the_change_cause_is_handed_on_and_what_is_the_deployments_own_is_not() {
    let deployment = annotations(&[
        ("kubernetes.io/change-cause", "second try"),
        ("kubectl.kubernetes.io/last-applied-configuration", "{}"),
        (REVISION, "1"),
    ]);
    let current = annotations(&[(REVISION, "2"), ("kubernetes.io/change-cause", "first try")]);
    let changed = annotations_of_new(&current, &deployment, 1);
    assert_eq!(changed, annotations(&[("kubernetes.io/change-cause", "second try")]));
}

#[test]
fn a_long_history_loses_its_beginning() {
    let history: Vec<String> = (1..600).map(|number| number.to_string()).collect();
    let served = annotations(&[(REVISION, "600"), (HISTORY, &history.join(","))]);
    let changed = annotations_of_new(&served, &annotations(&[]), 600);
    let kept = &changed[HISTORY];
    assert!(kept.len() <= 2000, "{}", kept.len());
    assert!(kept.ends_with(",599,600"), "{kept}");
}

#[test]
fn numbers_that_somebody_spoilt_are_as_good_as_absent() {
    assert_eq!(revision(Some(&annotations(&[(REVISION, "first")]))), 0);
    assert_eq!(count(Some(&annotations(&[("n", "-1")])), "n"), None);
    assert_eq!(count(Some(&annotations(&[("n", "3")])), "n"), Some(3));
    assert_eq!(count(None, "n"), None);
}
