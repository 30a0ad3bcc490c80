use super::{File, Finding, Repository};
use crate::tidy::surface::Surface;

impl Repository {
    /// A repository of these files.
    pub(crate) fn of<const N: usize>(files: [(&str, &str); N]) -> Repository {
        let files = files.map(|(path, text)| (path.to_owned(), File { size: text.len(), text: Some(text.to_owned()) }));
        Repository::new(files.into(), Err("no binary in this test".to_owned())).unwrap()
    }

    /// The same, with a product that offers this.
    pub(crate) fn with_surface(self, surface: Surface) -> Repository {
        Repository { surface: Ok(surface), ..self }
    }
}

/// Each finding as one line, in the form in which it is printed.
pub(crate) fn lines(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(Finding::to_string).collect()
}

#[test]
fn a_folder_is_there_if_a_file_is_in_it() {
    let repository = Repository::of([("docs/guide/a.md", ""), ("docs.md", "")]);
    assert!(repository.contains("docs/guide"));
    assert!(repository.contains("docs/guide/a.md"));
    assert!(!repository.contains("docs/gui"));
    assert!(!repository.contains("guide"));
}

#[test]
fn a_manifest_that_cannot_be_read_is_refused() {
    let files = [("crates/a/Cargo.toml".to_owned(), File { size: 3, text: Some("???".to_owned()) })];
    let error = Repository::new(files.into(), Err(String::new())).unwrap_err();
    assert!(error.to_string().contains("crates/a/Cargo.toml"), "{error}");
}
