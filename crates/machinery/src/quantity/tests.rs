//! Quantities: what is refused, canonical forms as Kubernetes writes them, and order by exact value.

use proptest::prelude::*;

use super::{Quantity, QuantityError};

fn parse(text: &str) -> Quantity {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn malformed_quantities_are_refused() {
    use QuantityError::{Format, Number, Suffix, TooLarge};
    let table = [
        ("", Format),
        ("m", Format),
        ("-", Format),
        ("1 Gi", Format),
        ("1Gi ", Format),
        ("--1", Format),
        ("1m-", Suffix),
        (".", Number),
        ("1.2.3", Number),
        ("..1", Number),
        ("1i", Suffix),
        ("1mi", Suffix),
        ("1K", Suffix),
        ("1e", Suffix),
        ("1ee3", Suffix),
        ("1Kii", Suffix),
        ("0x10", Format),
        ("∞", Format),
        ("1e40", TooLarge),
        ("1e99999999999", Suffix),
        ("1e2147483647", TooLarge),
    ];
    for (text, expected) in table {
        assert_eq!(text.parse::<Quantity>(), Err(expected), "{text:?}");
    }
    assert_eq!("1".repeat(300).parse::<Quantity>(), Err(Format));
    assert_eq!("1".repeat(60).parse::<Quantity>(), Err(TooLarge));
}

#[test]
fn canonical_forms_are_those_of_kubernetes() {
    let table = [
        ("0", "0"),
        ("0Gi", "0"),
        ("-0", "0"),
        ("100m", "100m"),
        ("0.1", "100m"),
        ("1.5", "1500m"),
        ("1.5Gi", "1536Mi"),
        ("1000m", "1"),
        ("1024Mi", "1Gi"),
        ("1023Ki", "1023Ki"),
        ("512", "512"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("1000e0", "1e3"),
        ("12e6", "12e6"),
        ("1e-3", "1e-3"),
        ("0.5Ki", "512"),
        ("1000", "1k"),
        ("1000k", "1M"),
        ("+1", "1"),
        ("-1", "-1"),
        ("-1.5Gi", "-1536Mi"),
        ("1.", "1"),
        (".5", "500m"),
        ("0.1n", "1n"),
        ("-0.1n", "-1n"),
        ("0.0000000001", "1n"),
        ("1u", "1u"),
        ("10E", "10E"),
        ("100Ei", "9223372036854775807"),
        ("0.001Ki", "1024m"),
        ("1e-20", "1e-9"),
        ("1e-2147483648", "1e-9"),
        ("0e999", "0"),
        ("000001", "1"),
        ("1.000Gi", "1Gi"),
        ("4Ei", "4Ei"),
        ("100000000000000000000000000000000e-30", "100"),
        ("0.333333333333333333333333Ei", "384307168202282325333332950n"),
    ];
    for (text, canonical) in table {
        assert_eq!(parse(text).to_string(), canonical, "{text}");
    }
}

#[test]
fn quantities_compare_by_value_whatever_their_notation() {
    let ascending =
        ["-1Gi", "-1", "0", "1n", "1m", "0.5", "1", "1k", "1Ki", "1M", "1Mi", "1e9", "1Gi", "1E", "1Ei", "10E"];
    for pair in ascending.windows(2) {
        assert!(parse(pair[0]) < parse(pair[1]), "{} < {}", pair[0], pair[1]);
    }
    assert_eq!(parse("1Gi"), parse("1073741824"));
    assert_eq!(parse("1e3"), parse("1k"));
}

proptest! {
    #[test]
    fn the_canonical_form_keeps_the_value_and_is_stable(
        number in "[+-]?[0-9]{1,9}(\\.[0-9]{0,12})?",
        suffix in prop::sample::select(vec!["", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "E-2", "e0"]),
    ) {
        let quantity = parse(&format!("{number}{suffix}"));
        let canonical = quantity.to_string();
        prop_assert_eq!(parse(&canonical), quantity);
        prop_assert_eq!(parse(&canonical).to_string(), canonical);
    }

    #[test]
    fn order_agrees_with_whole_milli_units(a: i32, b: i32) {
        prop_assert_eq!(parse(&format!("{a}m")).cmp(&parse(&format!("{b}m"))), a.cmp(&b));
        prop_assert_eq!(parse(&format!("{a}Ki")).cmp(&parse(&format!("{b}Ki"))), a.cmp(&b));
    }

    #[test]
    fn parsing_never_panics(text in "[-+0-9.eEinumkKMGTP]{0,40}") {
        if let Ok(quantity) = text.parse::<Quantity>() {
            prop_assert_eq!(parse(&quantity.to_string()), quantity);
        }
    }
}
