use super::{Query, ResourcePath, Target};

fn resource(path: &str) -> String {
    match Target::parse(path).unwrap() {
        Target::Resource(ResourcePath { group, version, namespace, plural, name, subresource }) => {
            let show = |part: Option<String>| part.unwrap_or_else(|| "-".to_owned());
            format!("{group}|{version}|{}|{plural}|{}|{}", show(namespace), show(name), show(subresource))
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn resource_paths_are_taken_apart() {
    for (path, expected) in [
        ("/api/v1/configmaps", "|v1|-|configmaps|-|-"),
        ("/api/v1/namespaces", "|v1|-|namespaces|-|-"),
        ("/api/v1/namespaces/shop", "|v1|-|namespaces|shop|-"),
        ("/api/v1/namespaces/shop/finalize", "|v1|-|namespaces|shop|finalize"),
        ("/api/v1/namespaces/shop/configmaps", "|v1|shop|configmaps|-|-"),
        ("/api/v1/namespaces/shop/pods/web/log", "|v1|shop|pods|web|log"),
        ("/apis/apps/v1/namespaces/shop/deployments/web/scale", "apps|v1|shop|deployments|web|scale"),
        ("/apis/example.com/v1/boats/one/status", "example.com|v1|-|boats|one|status"),
        ("/api/v1/namespaces/a%2Fb/configmaps/c", "|v1|a/b|configmaps|c|-"),
        ("/api/v1/a/b/c/d", "Unknown"),
        ("/nothing", "Unknown"),
    ] {
        assert_eq!(resource(path), expected, "{path}");
    }
}

#[test]
fn a_path_that_is_not_utf8_is_refused() {
    assert!(Target::parse("/api/v1/%ff").is_err());
}

#[test]
fn booleans_and_numbers_are_checked() {
    let query = Query::parse(Some("watch=true&dry=maybe&limit=-1&empty="));
    assert!(query.flag("watch").unwrap());
    assert!(!query.flag("absent").unwrap());
    assert!(query.flag("dry").is_err());
    assert!(query.number("limit").is_err());
    assert_eq!(query.get("empty"), None);
}
