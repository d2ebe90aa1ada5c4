use super::*;

fn parse(text: &[u8]) -> Result<Value<'_>, Malformed> {
    let mut reader = Reader::new(text)?;
    let value = reader.value()?;
    reader.end()?;
    Ok(value)
}

const TEXTS: &[&[u8]] = &[
    b"{}",
    b"[]",
    b" { \"a\" : [1, 2.5e-3, -0, true, null] } ",
    b"\"\\u00e9\\ud83d\\ude00\"",
    b"1e400",
    b"-1",
    b"{",
    b"{]",
    b"[1,]",
    b"{\"a\":1,}",
    b"{,}",
    b"{a:1}",
    b"{\"a\" 1}",
    b"01",
    b"1.",
    b".5",
    b"+1",
    b"1e",
    b"nul",
    b"tru",
    b"\"a",
    b"\"\\x\"",
    b"\"\n\"",
    b"\"\\u12g4\"",
    b"\"\\u12",
    b"\xef\xbb\xbf{}",
    b"{} x",
    b"\xff",
    b"\"\xc3\x28\"",
    b"",
    b" ",
    b"--1",
    b"\"\\ud800\"",
    b"\"\\udc00\"",
    b"\"\\ud800\\u0041\"",
    b"'a'",
    b"NaN",
    b"[1 2]",
    b"\"\\u+123\"",
];

#[test]
fn accepts_and_refuses_what_serde_json_does() {
    for text in TEXTS {
        let ours = parse(text).is_ok();
        // serde_json refuses numbers over f64; here a number stays text.
        let theirs = serde_json::from_slice::<serde_json::Value>(text).is_ok() || *text == b"1e400";
        assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn a_string_ends_where_it_does_however_long_it_is() {
    for len in 0..70 {
        let run = "m".repeat(len);
        assert_eq!(parse(format!("\"{run}\"").as_bytes()), Ok(Value::String(run.as_str().into())), "{len}");
        let text = format!("\"{run}\\n\u{e9}{run}\"");
        assert_eq!(parse(text.as_bytes()), Ok(Value::String(format!("{run}\n\u{e9}{run}").into())), "{len}");
        for bad in ["\0", "\n", "\u{1f}", "\\"] {
            assert_eq!(parse(format!("\"{run}{bad}{run}\"").as_bytes()), Err(Malformed), "{len} {bad:?}");
        }
        assert_eq!(parse(format!("\"{run}").as_bytes()), Err(Malformed), "{len}");
    }
}

#[test]
fn strings_are_unescaped() {
    assert_eq!(parse(br#""\u0061\"\\\/\b\f\n\r\tz""#), Ok(Value::String("a\"\\/\u{8}\u{c}\n\r\tz".into())));
    assert!(matches!(parse(b"\"plain\""), Ok(Value::String(Cow::Borrowed("plain")))));
    assert_eq!(parse(b"-12.50e+1"), Ok(Value::Number("-12.50e+1")));
}

#[test]
fn nesting_passes_to_128_and_not_beyond() {
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert!(parse(nested(MAX_DEPTH + 1).as_bytes()).is_err());
    let objects = |n: usize| format!("{}1{}", "{\"a\":".repeat(n), "}".repeat(n));
    assert!(parse(objects(MAX_DEPTH).as_bytes()).is_ok());
    assert!(parse(objects(MAX_DEPTH + 1).as_bytes()).is_err());
}

#[test]
fn a_second_name_is_found_among_few_and_many() {
    for n in [3, 12, 13, 500] {
        let mut names = Names::default();
        for i in 0..n {
            assert!(names.insert(format!("n{i}").into()));
        }
        assert!(!names.insert("n1".into()), "{n}");
        assert!(!names.insert(format!("n{}", n - 1).into()), "{n}");
    }
}
