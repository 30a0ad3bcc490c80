//! Label selectors of typed objects.
//!
//! Pure; the matching itself is `machinery`'s.

use client::meta::LabelSelector as Written;
use machinery::field::Path;
use machinery::selector::LabelSelector;

/// Reads a selector. None for one that validation would not have let in, and for one that selects everything: a workload
/// that owns all pods of its namespace is a mistake.
pub(crate) fn parse(selector: &Written) -> Option<LabelSelector> {
    let value = serde_json::to_value(selector).ok()?;
    let parsed = LabelSelector::from_object(&Path::new("selector"), &value).ok()?;
    Some(parsed).filter(|selector| !selector.is_empty())
}
