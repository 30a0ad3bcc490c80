use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};

use super::{BodyFormat, PatchFormat, View, accepts_gzip};
use crate::status::Reason;

fn accept(value: &str) -> Result<View, Reason> {
    let headers = HeaderMap::from_iter([(ACCEPT, value.parse().unwrap())]);
    View::negotiate(&headers).map_err(|failure| failure.reason())
}

#[test]
fn the_first_served_representation_wins() {
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
    assert_eq!(accept(table), Ok(View::Table));
    assert_eq!(accept("application/json, */*"), Ok(View::Object));
    assert_eq!(accept("application/vnd.kubernetes.protobuf,application/json"), Ok(View::Object));
    let partial = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,\
                   application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
    assert_eq!(accept(partial), Ok(View::Partial));
    assert_eq!(View::negotiate(&HeaderMap::new()).unwrap(), View::Object);
}

#[test]
fn what_is_not_served_is_not_acceptable() {
    for value in ["text/html", "application/vnd.kubernetes.protobuf", "application/json;as=Table;v=v1;g=wrong.io", ""] {
        assert_eq!(accept(value), Err(Reason::NotAcceptable), "{value}");
    }
}

#[test]
fn a_protobuf_body_is_refused_with_what_to_do() {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, "application/vnd.kubernetes.protobuf".parse().unwrap())]);
    let failure = BodyFormat::of(&headers).unwrap_err();
    assert_eq!(failure.reason(), Reason::UnsupportedMediaType);
    assert!(failure.to_status()["message"].as_str().unwrap().contains("application/json"));
}

#[test]
fn a_patch_must_name_its_format() {
    assert!(PatchFormat::of(&HeaderMap::new()).is_err());
    let headers =
        HeaderMap::from_iter([(CONTENT_TYPE, "application/merge-patch+json; charset=utf-8".parse().unwrap())]);
    assert_eq!(PatchFormat::of(&headers).unwrap(), PatchFormat::Merge);
}

#[test]
fn gzip_is_used_only_when_asked_for() {
    for (value, expected) in [("gzip", true), ("deflate, gzip;q=1.0", true), ("gzip;q=0", false), ("identity", false)] {
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, value.parse().unwrap())]);
        assert_eq!(accepts_gzip(&headers), expected, "{value}");
    }
}
