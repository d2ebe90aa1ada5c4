//! `traceparent`, as far as it is looked at: the trace that a request belongs to (W3C Trace Context, section 3.2).

use http::HeaderMap;

/// The id of the trace, 32 hex digits; `None`: there is no sound header, or more than one.
#[must_use]
pub fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all("traceparent").iter();
    let (value, None) = (all.next()?.to_str().ok()?, all.next()) else { return None };
    let mut parts = value.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, len| text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let named = |text: &str| text.bytes().any(|b| b != b'0');
    // A later version may have more parts; `ff` is none.
    let sound = hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none()) && hex(flags, 2);
    (sound && hex(trace, 32) && named(trace) && hex(parent, 16) && named(parent)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("traceparent", HeaderValue::from_str(value).unwrap());
        }
        trace_id(&headers).map(str::to_owned)
    }

    #[test]
    fn a_sound_header_names_its_trace_and_no_other_does() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let good = format!("00-{trace}-00f067aa0ba902b7-01");
        assert_eq!(of(&[&good]).as_deref(), Some(trace));
        assert_eq!(of(&[&good.replace("00-4", "01-4"),]).as_deref(), Some(trace));
        assert_eq!(of(&[&format!("01{}-more", &good[2..])]).as_deref(), Some(trace));
        let bad = [
            String::new(),
            format!("{good}-more"),
            good.to_uppercase(),
            good.replace(trace, &"0".repeat(32)),
            good.replace("00f067aa0ba902b7", &"0".repeat(16)),
            good.replace("00-4", "ff-4"),
            good[1..].to_owned(),
            good.replace(trace, &trace[1..]),
        ];
        for bad in &bad {
            assert_eq!(of(&[bad]), None, "{bad}");
        }
        assert_eq!(of(&[&good, &good]), None);
    }
}
