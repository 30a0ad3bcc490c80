//! Where the revision goes.

use super::{MAX_BYTES, Template, TemplateError};
use crate::Revision;

#[test]
fn an_offset_behind_the_end_is_refused() {
    let refused = Template::new("abc", 4).unwrap_err();
    assert_eq!(refused, TemplateError::OffsetBehindEnd { offset: 4, bytes: 3 });
}

#[test]
fn an_overlong_value_is_refused() {
    let refused = Template::new(vec![0; MAX_BYTES], 0).unwrap_err();
    assert!(matches!(refused, TemplateError::TooLarge { bytes: MAX_BYTES, .. }));
}

#[test]
fn the_revision_is_inserted_at_the_offset() {
    for (number, offset, expected) in [(7, 0, "7ab"), (10, 1, "a10b"), (u64::MAX, 2, "ab18446744073709551615")] {
        let value = Template::new("ab", offset).unwrap().finish(Revision::new(number).unwrap());
        assert_eq!(value, expected);
    }
}
