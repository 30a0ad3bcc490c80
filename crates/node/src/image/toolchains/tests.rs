use std::fs;
use std::path::Path;

use super::{HostImage, Surroundings, detect};

fn look(home: &Path, variables: &[(&str, &str)]) -> HostImage {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    detect(&Surroundings { home: home.to_owned(), variables: variables.iter().map(own).collect() })
}

fn path(image: &HostImage) -> String {
    image.environment.iter().find(|(name, _)| name == "PATH").unwrap().1.clone()
}

#[test]
fn a_machine_without_toolchains_has_its_own_programs() {
    let home = tempfile::tempdir().unwrap();
    let image = look(home.path(), &[]);
    assert_eq!(image.toolchains, Vec::<std::path::PathBuf>::new());
    assert!(path(&image).split(':').any(|directory| directory == "/usr/bin"), "{image:?}");
}

#[test]
fn toolchains_are_shown_and_found_first() {
    let home = tempfile::tempdir().unwrap();
    for name in ["1.80.0-x86_64", "stable-x86_64"] {
        fs::create_dir_all(home.path().join(".rustup/toolchains").join(name).join("bin")).unwrap();
    }
    fs::create_dir_all(home.path().join("sdk/go1.25.0/bin")).unwrap();
    fs::write(home.path().join("sdk/go1.25.0/bin/go"), "").unwrap();
    // Something else that is called like the place of Go.
    fs::create_dir_all(home.path().join("sdk/pictures")).unwrap();
    std::os::unix::fs::symlink("/etc", home.path().join(".rustup/toolchains/linked")).unwrap();
    let image = look(home.path(), &[]);
    let names: Vec<String> =
        image.toolchains.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(names, ["1.80.0-x86_64", "stable-x86_64", "go1.25.0"]);
    let first = path(&image);
    let mut first = first.split(':');
    assert!(first.next().unwrap().ends_with("stable-x86_64/bin"));
    assert!(first.next().unwrap().ends_with("go1.25.0/bin"));
}

#[test]
fn only_settings_without_passwords_are_passed_on() {
    let home = tempfile::tempdir().unwrap();
    let variables = [
        ("HTTPS_PROXY", "http://proxy:3128"),
        ("http_proxy", "http://me:secret@proxy"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
    ];
    let image = look(home.path(), &variables);
    let passed: Vec<&str> = image.environment.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(passed, ["PATH", "HTTPS_PROXY"]);
}
