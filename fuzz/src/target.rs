//! A request target, as it comes (`Host: h:80`).
//!
//! What is accepted has one reading: no segment that leads elsewhere, no byte that somebody takes for another one, and a
//! path that a browser's URL parser (WHATWG, as the crate `url` has it) leaves as it is. The form in which it is
//! forwarded is accepted in turn, as itself.

use percent_encoding::percent_decode_str;
use rtms_gateway::request::target::Target;
use url::Url;

/// The request's Host.
const HOST: &[u8] = b"h:80";

/// Tries one input.
pub fn run(input: &[u8]) {
    let Ok(target) = Target::parse(input, Some(HOST)) else { return };
    let origin = target.to_origin_form();
    assert_eq!(target.is_origin_form(input), origin == input, "whether it is rewritten");
    let again = Target::parse(&origin, Some(HOST)).expect("what is forwarded is accepted");
    assert_eq!(again, target, "what is forwarded is read as what was judged");
    assert!(again.is_origin_form(&origin));
    check_query(&target, input);
    check_path(&target.path);
    check_browser(&target.path);
    let _ = rtms_gateway::routing::lenient::reading(&target.path);
}

/// The query is what follows the first `?`, byte for byte.
fn check_query(target: &Target<'_>, input: &[u8]) {
    let first = input.iter().position(|b| *b == b'?');
    assert_eq!(target.query, first.map(|at| &input[at + 1..]));
    assert!(!input.contains(&b'#'), "a fragment");
}

/// Nothing in the path can be taken for something else, decoded or not.
fn check_path(path: &str) {
    let segments = path.strip_prefix('/').expect("a slash first").split('/');
    let count = segments.clone().count();
    for (n, segment) in segments.enumerate() {
        assert!(!segment.is_empty() || n + 1 == count, "an empty segment inside {path}");
        let decoded: Vec<u8> = percent_decode_str(segment).collect();
        assert!(!matches!(decoded.as_slice(), b"." | b".."), "a dot segment in {path}");
        for byte in &decoded {
            assert!(!matches!(byte, b'/' | b'\\' | b';' | b'%' | 0..=31 | 127), "{byte} in {path}");
        }
        // Nothing that is left as it is anywhere comes encoded: two spellings of one path.
        let spelt = segment.bytes().filter(u8::is_ascii_alphanumeric).count() - hex_digits(segment);
        assert_eq!(spelt, decoded.iter().filter(|b| b.is_ascii_alphanumeric()).count(), "an encoded letter in {path}");
    }
}

/// How many letters and digits of a segment belong to its escapes.
fn hex_digits(segment: &str) -> usize {
    2 * segment.matches('%').count()
}

/// A browser asks for the same path.
fn check_browser(path: &str) {
    let url = Url::parse(&format!("http://h{path}")).expect("a URL");
    assert_eq!(url.path(), path, "a browser's reading");
    let theirs: Vec<Vec<u8>> = url.path_segments().expect("a path").map(|s| percent_decode_str(s).collect()).collect();
    let ours: Vec<Vec<u8>> = path[1..].split('/').map(|s| percent_decode_str(s).collect()).collect();
    assert_eq!(ours, theirs);
}
