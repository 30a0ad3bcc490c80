//! Texts of revisions.

use super::{ParseRevisionError, Revision};

#[test]
fn only_the_canonical_text_is_accepted() {
    for text in ["", "0", "01", "+1", "-1", " 1", "1 ", "1_0", "0x1", "1.0", "18446744073709551616", "٣"] {
        assert_eq!(text.parse::<Revision>(), Err(ParseRevisionError), "{text:?}");
    }
}

#[test]
fn text_and_number_agree() {
    for number in [1, 10, 4096, u64::MAX] {
        let revision = Revision::new(number).unwrap();
        assert_eq!(revision.to_string(), number.to_string());
        assert_eq!(revision.to_string().parse(), Ok(revision));
    }
}
