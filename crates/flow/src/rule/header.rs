//! Changes to the headers of a message (Gateway API, HTTPHeaderFilter).

use http::{HeaderName, HeaderValue};

use crate::invalid::Violation;
use crate::wire;

/// Changes to headers: first what is set, then what is added, then what is removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderEdit {
    /// Replaces all values of the header.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Comes after the values that are there.
    pub add: Vec<(HeaderName, HeaderValue)>,
    /// Taken away.
    pub remove: Vec<HeaderName>,
}

/// The most changes in one list; the Gateway API allows 16.
const CHANGES_LIMIT: usize = 64;

impl HeaderEdit {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }

    pub(crate) fn from_wire(field: &str, change: Option<wire::HeaderChange>) -> Result<Self, Violation> {
        let change = change.unwrap_or_default();
        Ok(Self {
            set: headers(&format!("{field}.set"), change.set)?,
            add: headers(&format!("{field}.add"), change.add)?,
            remove: limited(&format!("{field}.remove"), change.remove, |name| header_name(&name))?,
        })
    }

    pub(crate) fn to_wire(&self) -> Option<wire::HeaderChange> {
        let list = |headers: &[(HeaderName, HeaderValue)]| {
            let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            headers.iter().map(|(name, value)| wire::Header { name: name.to_string(), value: text(value) }).collect()
        };
        (!self.is_empty()).then(|| wire::HeaderChange {
            set: list(&self.set),
            add: list(&self.add),
            remove: self.remove.iter().map(HeaderName::to_string).collect(),
        })
    }
}

fn headers(field: &str, list: Vec<wire::Header>) -> Result<Vec<(HeaderName, HeaderValue)>, Violation> {
    limited(field, list, |header| {
        let name = header_name(&header.name)?;
        let value = HeaderValue::from_str(&header.value);
        Ok((name, value.map_err(|_error| format!("the value of {} holds a control character", header.name))?))
    })
}

/// The framing of a message is the proxy's own; a change of it would split or smuggle messages (RFC 9112, 11.2).
const FRAMING: [HeaderName; 4] =
    [http::header::CONTENT_LENGTH, http::header::TRANSFER_ENCODING, http::header::CONNECTION, http::header::UPGRADE];

fn header_name(name: &str) -> Result<HeaderName, String> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_error| format!("'{name}' is no header name"))?;
    if FRAMING.contains(&parsed) {
        return Err(format!("{parsed} belongs to the framing of the message and cannot be changed"));
    }
    Ok(parsed)
}

fn limited<T, U>(field: &str, list: Vec<T>, parse: impl Fn(T) -> Result<U, String>) -> Result<Vec<U>, Violation> {
    if list.len() > CHANGES_LIMIT {
        return Err(Violation::new(field, format!("has more than {CHANGES_LIMIT} entries")));
    }
    let parse = |(index, item)| parse(item).map_err(|reason| Violation::new(format!("{field}[{index}]"), reason));
    list.into_iter().enumerate().map(parse).collect()
}
