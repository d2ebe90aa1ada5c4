use proptest::prelude::*;

use super::*;

const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
const SPAN: u64 = 0xb7ad_6b71_6920_3331;

fn parse(text: &str) -> Option<Traceparent> {
    Traceparent::parse(text.as_bytes())
}

fn expected(sampled: bool, random: bool) -> Option<Traceparent> {
    let (trace, span) = (TraceId(NonZeroU128::new(TRACE)?), SpanId(NonZeroU64::new(SPAN)?));
    Some(Traceparent { trace, span, sampled, random })
}

/// `GOOD` with another text in the place of one of its four parts.
fn with(part: usize, text: &str) -> String {
    let mut parts: Vec<&str> = GOOD.split('-').collect();
    parts[part] = text;
    parts.join("-")
}

#[test]
fn the_standards_own_examples_are_read() {
    assert_eq!(parse(GOOD), expected(true, false));
    assert_eq!(parse(&with(3, "00")), expected(false, false));
    let long = parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    assert_eq!(long.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(long.span.to_string(), "00f067aa0ba902b7");
}

#[test]
fn flags_that_mean_nothing_yet_are_dropped_and_those_of_level_two_are_kept() {
    for (flags, sampled, random, written) in
        [("02", false, true, "02"), ("03", true, true, "03"), ("fc", false, false, "00"), ("ff", true, true, "03")]
    {
        let read = parse(&with(3, flags)).unwrap();
        assert_eq!((read.sampled, read.random), (sampled, random), "{flags}");
        assert_eq!(read.write(), with(3, written).as_bytes(), "{flags}");
    }
}

#[test]
fn version_00_ends_with_its_flags() {
    for more in ["-", "-x", "-what-the-future-will-be-like", ".", " ", "0"] {
        assert_eq!(parse(&format!("{GOOD}{more}")), None, "{more:?}");
    }
}

#[test]
fn a_higher_version_is_read_by_its_first_four_parts_and_ff_is_none() {
    for version in ["01", "02", "cc", "fe"] {
        let field = with(0, version);
        assert_eq!(parse(&field), expected(true, false), "{field}");
        assert_eq!(parse(&format!("{field}-what-the-future-will-be-like")), expected(true, false));
        assert_eq!(parse(&format!("{field}-")), expected(true, false));
        assert_eq!(parse(&format!("{field}.what")), None);
        assert_eq!(parse(&format!("{field}0")), None);
        // What goes on speaks the version that we do.
        assert_eq!(parse(&field).unwrap().write(), GOOD.as_bytes());
    }
    assert_eq!(parse(&with(0, "ff")), None);
}

#[test]
fn ids_of_zeros_are_none() {
    assert_eq!(parse(&with(1, &"0".repeat(32))), None);
    assert_eq!(parse(&with(2, &"0".repeat(16))), None);
    assert!(parse(&with(1, &format!("{}1", "0".repeat(31)))).is_some());
    assert!(parse(&with(2, &format!("{}1", "0".repeat(15)))).is_some());
}

#[test]
fn parts_of_another_length_upper_case_and_other_signs_are_refused() {
    let cases = [
        (0, "0"),
        (0, "000"),
        (0, "0A"),
        (0, ".0"),
        (0, "0."),
        (0, ""),
        (1, "0af7651916cd43dd8448eb211c80319"),
        (1, "0af7651916cd43dd8448eb211c80319c0"),
        (1, "0AF7651916CD43DD8448EB211C80319C"),
        (1, ".af7651916cd43dd8448eb211c80319c"),
        (1, "+af7651916cd43dd8448eb211c80319c"),
        (1, "0af7651916cd43dd8448eb211c80319."),
        (1, ""),
        (2, "b7ad6b716920333"),
        (2, "b7ad6b71692033311"),
        (2, "B7AD6B7169203331"),
        (2, ".7ad6b7169203331"),
        (2, ""),
        (3, "0"),
        (3, "001"),
        (3, "0x"),
        (3, ".0"),
        (3, "0A"),
        (3, "-1"),
        (3, ""),
    ];
    for (part, text) in cases {
        assert_eq!(parse(&with(part, text)), None, "{part} {text:?}");
    }
    for field in ["", "00", GOOD.trim_end_matches("-01"), &GOOD.replace('-', "_"), &format!(" {GOOD}"), "00---"] {
        assert_eq!(parse(field), None, "{field:?}");
    }
    assert_eq!(Traceparent::parse(&[0xff; 55]), None);
}

#[test]
fn a_field_that_comes_twice_is_none_even_if_it_says_the_same() {
    let read = |values: &[&str]| Traceparent::read(values.iter().map(|v| v.as_bytes()));
    assert_eq!(read(&[GOOD]), expected(true, false));
    assert_eq!(read(&[]), None);
    assert_eq!(read(&[GOOD, GOOD]), None);
    assert_eq!(read(&[GOOD, ""]), None);
    assert_eq!(parse(&format!("{GOOD},{GOOD}")), None);
    assert_eq!(parse(&format!("{GOOD}, {GOOD}")), None);
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(trace in 1u128.., span in 1u64.., sampled: bool, random: bool) {
        let said = Traceparent {
            trace: TraceId(NonZeroU128::new(trace).unwrap()),
            span: SpanId(NonZeroU64::new(span).unwrap()),
            sampled,
            random,
        };
        let text = said.write();
        prop_assert_eq!(Traceparent::parse(&text), Some(said));
        let text = String::from_utf8(text.to_vec()).unwrap();
        prop_assert_eq!(&text[3..35], said.trace.to_string());
        prop_assert_eq!(&text[36..52], said.span.to_string());
    }

    #[test]
    fn what_is_read_stood_there(text in "(0[0-2]|ff|FE)-[0-9a-fA-F]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-x)?") {
        let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
        let version_fits = !text.starts_with("ff") && (!text.starts_with("00") || text.len() == LENGTH);
        let zeros = text[3..35].bytes().all(|b| b == b'0') || text[36..52].bytes().all(|b| b == b'0');
        prop_assert_eq!(parse(&text).is_some(), lower && version_fits && !zeros);
        if let Some(written) = parse(&text).map(|read| read.write()) {
            prop_assert_eq!(&written[3..52], &text.as_bytes()[3..52]);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        // 2 + 1 + 32 + 1 + 16 + 1 + 2 signs that happen to fit don't come by chance.
        prop_assert_eq!(Traceparent::parse(&bytes), None);
    }
}
