use super::{Candidate, Claim, Owner, claim};

#[test]
fn objects_are_adopted_kept_and_released_by_selector() {
    use Claim::{Adopt, Ignore, Keep, Release};
    // controller, matches, object terminating, owner terminating
    let table = [
        ((Some("me"), true, false, false), Keep),
        ((Some("me"), true, true, true), Keep),
        ((Some("me"), false, false, false), Release),
        ((Some("me"), false, false, true), Ignore),
        ((Some("other"), true, false, false), Ignore),
        ((None, true, false, false), Adopt),
        ((None, false, false, false), Ignore),
        ((None, true, true, false), Ignore),
        ((None, true, false, true), Ignore),
    ];
    for ((controller, matches, terminating, owner_terminating), expected) in table {
        let owner = Owner {
            api_version: "apps/v1",
            kind: "ReplicaSet",
            name: "web".to_owned(),
            uid: "me".to_owned(),
            namespace: None,
            terminating: owner_terminating,
        };
        let candidate = Candidate { controller, matches, terminating };
        assert_eq!(claim(&owner, candidate), expected, "{candidate:?} of {owner:?}");
    }
}
