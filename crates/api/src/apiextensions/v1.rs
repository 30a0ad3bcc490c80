//! Version `v1` of `apiextensions.k8s.io`, one file a kind.

pub mod custom_resource_definition;
