//! Keeps the generated code equal to the definition.

use std::path::Path;

use expect_test::expect_file;

/// Rules are also written as JSON, by people: camel case, and a key that nobody knows is refused.
const WRITTEN_BY_PEOPLE: [&str; 8] =
    ["FlowRule", "Backend", "Header", "HeaderChange", "PathChange", "Rewrite", "Redirect", "Timeouts"];

#[test]
fn generated_code_matches_the_definition() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let definition = protox::compile(["flow.proto"], [&folder]).unwrap();
    let out = tempfile::tempdir().unwrap();
    let mut builder = tonic_prost_build::configure()
        .build_transport(false)
        .btree_map(".")
        .emit_rerun_if_changed(false)
        .out_dir(out.path());
    for message in WRITTEN_BY_PEOPLE {
        builder = builder.message_attribute(
            format!("trireme.flow.v1.{message}"),
            "#[derive(serde::Serialize, serde::Deserialize)]\n\
             #[serde(default, rename_all = \"camelCase\", deny_unknown_fields)]",
        );
    }
    builder.compile_fds(definition).unwrap();
    let generated = std::fs::read_to_string(out.path().join("trireme.flow.v1.rs")).unwrap();
    expect_file!["trireme.flow.v1.rs"].assert_eq(&generated);
}
