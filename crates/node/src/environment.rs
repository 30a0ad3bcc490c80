//! The environment of a container and the references in its command line.
//!
//! [`expand`] replaces `$(NAME)` as Kubernetes does (API reference of Container: `command`, `args`, `env`); [`Builder`]
//! collects variables in their order. Where the values come from is not known here: `pod::values` reads them.

use std::collections::BTreeMap;

/// Replaces `$(NAME)` by the value of the variable; `$$` stands for `$`, and a name that is not known stays as it is.
pub(crate) fn expand<'a>(text: &str, value_of: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        expanded.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
            continue;
        }
        let reference = rest.strip_prefix('(').and_then(|open| open.split_once(')'));
        match reference {
            Some((name, after)) => {
                match value_of(name) {
                    Some(value) => expanded.push_str(value),
                    None => expanded.extend(["$(", name, ")"]),
                }
                rest = after;
            }
            None => expanded.push('$'),
        }
    }
    expanded.push_str(rest);
    expanded
}

/// Variables in the order in which they were set; a later value of a name takes the place of the earlier one.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    order: Vec<String>,
    values: BTreeMap<String, String>,
}

impl Builder {
    /// Sets a variable to a value that is taken as it is.
    pub(crate) fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let name = name.into();
        if self.values.insert(name.clone(), value.into()).is_none() {
            self.order.push(name);
        }
    }

    /// Sets a variable to a text whose references to earlier variables are replaced.
    pub(crate) fn set_expanded(&mut self, name: &str, text: &str) {
        let value = self.expand(text);
        self.set(name, value);
    }

    /// A text with its references replaced.
    pub(crate) fn expand(&self, text: &str) -> String {
        expand(text, |name| self.values.get(name).map(String::as_str))
    }

    /// The variables.
    pub(crate) fn into_pairs(mut self) -> Vec<(String, String)> {
        let taken = self.order.into_iter().filter_map(|name| self.values.remove_entry(&name));
        taken.collect()
    }
}

/// Whether the kernel and every shell can carry a variable of this name: anything printable but `=`, as Kubernetes 1.34
/// has it (KEP-4369).
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| matches!(c, ' '..='~') && c != '=')
}

#[cfg(test)]
mod tests;
