//! The formats of strings and numbers that are enforced.
//!
//! These are the formats that Kubernetes enforces in CRDs, plus the two number ranges and resource quantities of built-in kinds.
//! Any other format is a remark for readers, there as here. Four that Kubernetes also knows are only remarks here, because no
//! cluster object carries them: `bsonobjectid`, `isbn` (also 10 and 13), `creditcard` and `ssn`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use base64::Engine;
use jiff::Timestamp;
use jiff::civil::Date;
use regex::Regex;

use crate::name;
use crate::quantity::Quantity;

/// A format that values are checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Int32,
    Int64,
    Byte,
    Cidr,
    Date,
    DateTime,
    Duration,
    Email,
    HexColor,
    Hostname,
    Ipv4,
    Ipv6,
    LongName,
    Mac,
    Quantity,
    RgbColor,
    ShortName,
    Uri,
    Uuid(Option<u8>),
}

impl Format {
    /// By its name in a schema; dashes do not count.
    pub(crate) fn parse(name: &str) -> Option<Format> {
        Some(match name.replace('-', "").as_str() {
            "int32" => Format::Int32,
            "int64" => Format::Int64,
            "byte" => Format::Byte,
            "cidr" => Format::Cidr,
            "date" => Format::Date,
            "datetime" => Format::DateTime,
            "duration" => Format::Duration,
            "email" => Format::Email,
            "hexcolor" => Format::HexColor,
            "hostname" => Format::Hostname,
            "ipv4" => Format::Ipv4,
            "ipv6" => Format::Ipv6,
            "k8slongname" => Format::LongName,
            "k8sshortname" => Format::ShortName,
            "mac" => Format::Mac,
            "rgbcolor" => Format::RgbColor,
            "uri" => Format::Uri,
            "uuid" => Format::Uuid(None),
            "uuid3" => Format::Uuid(Some(b'3')),
            "uuid4" => Format::Uuid(Some(b'4')),
            "uuid5" => Format::Uuid(Some(b'5')),
            _ => return None,
        })
    }

    /// The word for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Format::Int32 => "int32",
            Format::Int64 => "int64",
            Format::Byte => "byte",
            Format::Cidr => "cidr",
            Format::Date => "date",
            Format::DateTime => "date-time",
            Format::Duration => "duration",
            Format::Email => "email",
            Format::HexColor => "hexcolor",
            Format::Hostname => "hostname",
            Format::Ipv4 => "ipv4",
            Format::Ipv6 => "ipv6",
            Format::LongName => "k8s-long-name",
            Format::Mac => "mac",
            Format::Quantity => "quantity",
            Format::RgbColor => "rgbcolor",
            Format::ShortName => "k8s-short-name",
            Format::Uri => "uri",
            Format::Uuid(_) => "uuid",
        }
    }

    /// Whether `text` has this format. Formats of numbers say nothing about text.
    pub(crate) fn accepts(self, text: &str) -> bool {
        match self {
            Format::Int32 | Format::Int64 => true,
            Format::Byte => base64::engine::general_purpose::STANDARD.decode(text).is_ok(),
            Format::Cidr => is_cidr(text),
            Format::Date => text.len() == 10 && text.parse::<Date>().is_ok(),
            Format::DateTime => is_date_time(text),
            Format::Duration => is_duration(text),
            Format::Email => is_email(text),
            Format::HexColor => {
                let digits = text.strip_prefix('#').unwrap_or(text);
                matches!(digits.len(), 3 | 6) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
            }
            Format::Hostname => is_hostname(text),
            Format::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Format::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
            Format::LongName => name::check_subdomain(text).is_empty(),
            Format::ShortName => name::check_label(text).is_empty(),
            Format::Mac => is_mac(text),
            Format::Quantity => text.parse::<Quantity>().is_ok(),
            Format::RgbColor => is_rgb_color(text),
            Format::Uri => is_uri(text),
            Format::Uuid(version) => is_uuid(text, version),
        }
    }
}

fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let max = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    let canonical = length == "0" || !length.starts_with('0');
    canonical && length.bytes().all(|byte| byte.is_ascii_digit()) && length.parse::<u32>().is_ok_and(|bits| bits <= max)
}

/// RFC 3339 `date-time`. jiff reads more of ISO 8601, so the outline is checked first.
fn is_date_time(text: &str) -> bool {
    static OUTLINE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}([.,]\d+)?([Zz]|[+-]\d{2}:\d{2})$")
            .expect("a constant pattern")
    });
    OUTLINE.is_match(text) && text.parse::<Timestamp>().is_ok()
}

/// A duration as Go writes it (`1h30m`, `-1.5s`, `0`), or one number with a unit in words (`22 ns`, `3 days`).
fn is_duration(text: &str) -> bool {
    static GO: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^[+-]?(0|(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$").expect("a constant pattern")
    });
    static WORDS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?i)^\d+(\.\d+)?\s*(ns|nano(second)?s?|us|µs|micro(second)?s?|ms|milli(second)?s?|s|sec(ond)?s?|m|min(ute)?s?|h|hr|hours?|d|days?|w|wk|weeks?)$",
        )
        .expect("a constant pattern")
    });
    GO.is_match(text) || WORDS.is_match(text)
}

/// An address with one `@`, something before it and a host after it; optionally `Name <address>`.
fn is_email(text: &str) -> bool {
    let address = match text.split_once('<') {
        Some((_, rest)) => match rest.strip_suffix('>') {
            Some(address) => address,
            None => return false,
        },
        None => text,
    };
    let Some((local, host)) = address.rsplit_once('@') else { return false };
    let atom = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let dotted = |text: &str| text.split('.').all(|part| !part.is_empty() && part.chars().all(atom));
    dotted(local) && dotted(host)
}

/// RFC 1034 section 3.1, with digits allowed at the start of a label (RFC 1123) and underscores, as Kubernetes allows.
fn is_hostname(text: &str) -> bool {
    let label = |label: &str| {
        let inner = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let host = text.strip_suffix('.').unwrap_or(text);
    host.len() <= 253 && host.split('.').all(label)
}

/// Six, eight or twenty bytes: pairs with colons or dashes, or groups of four digits with dots.
fn is_mac(text: &str) -> bool {
    let groups = |separator: char, digits: usize| {
        let parts: Vec<&str> = text.split(separator).collect();
        let even = parts.iter().all(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_hexdigit()));
        even && matches!(parts.len() * digits / 2, 6 | 8 | 20)
    };
    groups(':', 2) || groups('-', 2) || groups('.', 4)
}

fn is_rgb_color(text: &str) -> bool {
    let inner = text.strip_prefix("rgb(").and_then(|rest| rest.strip_suffix(')'));
    let part = |part: &str| {
        let part = part.trim();
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) && part.parse::<u8>().is_ok()
    };
    inner.is_some_and(|inner| inner.split(',').count() == 3 && inner.split(',').all(part))
}

/// What `url.ParseRequestURI` of Go accepts: an absolute URI, or an absolute path.
fn is_uri(text: &str) -> bool {
    let visible = text.chars().all(|c| !c.is_control() && c != ' ');
    if !visible || text.is_empty() {
        return false;
    }
    if text.starts_with('/') {
        return true;
    }
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let mut letters = scheme.chars();
    let scheme_is_valid = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    scheme_is_valid && !rest.is_empty()
}

/// Hexadecimal digits in groups of 8, 4, 4, 4 and 12; the dashes may be missing.
fn is_uuid(text: &str, version: Option<u8>) -> bool {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    let dashes: Vec<usize> = text.bytes().enumerate().filter(|(_, byte)| *byte == b'-').map(|(i, _)| i).collect();
    let placed = dashes.is_empty() || dashes == [8, 13, 18, 23];
    let shape = digits.len() == 32 && placed && digits.iter().all(u8::is_ascii_hexdigit);
    let variant = |version| version == b'3' || matches!(digits[16].to_ascii_lowercase(), b'8' | b'9' | b'a' | b'b');
    shape && version.is_none_or(|version| digits[12] == version && variant(version))
}
