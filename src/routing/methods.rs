//! A set of HTTP methods, and the closed set of method labels.

use http::Method;

/// The methods this gateway knows by name, in the order of their bits; others share one label, `OTHER`.
pub const REGISTERED: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"];

/// A set of methods. `GET` admits `HEAD` (RFC 9110 section 9.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodSet {
    bits: u16,
    /// Methods outside [`REGISTERED`], as they were listed.
    extension: Vec<Method>,
    /// Every method but TRACE and CONNECT.
    any: bool,
}

impl Default for MethodSet {
    /// All but TRACE and CONNECT.
    fn default() -> Self {
        Self { bits: 0b0_0111_1111, extension: Vec::new(), any: true }
    }
}

impl MethodSet {
    /// The set of the listed methods; `Err` names the first word that is no method this gateway can route.
    ///
    /// # Errors
    /// A word that isn't an HTTP token in upper case, or TRACE or CONNECT, which are never forwarded.
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self, String> {
        let mut set = Self { bits: 0, extension: Vec::new(), any: false };
        for word in words {
            let word = word.as_ref();
            let method = Method::from_bytes(word.as_bytes()).map_err(|_| format!("`{word}` is no HTTP method"))?;
            if word.bytes().any(|b| b.is_ascii_lowercase()) {
                return Err(format!("`{word}` is not in upper case; methods are case-sensitive"));
            }
            match index(&method) {
                Some(7 | 8) => return Err(format!("`{word}` is never forwarded")),
                Some(at) => set.bits |= 1 << at,
                None => set.extension.push(method),
            }
        }
        Ok(set)
    }

    /// Whether a request with this method belongs to the set.
    #[must_use]
    pub fn admits(&self, method: &Method) -> bool {
        match index(method) {
            // HEAD, where GET is listed.
            Some(1) => self.bits & 0b11 != 0,
            Some(at) => self.bits & (1 << at) != 0,
            None => self.any || self.extension.contains(method),
        }
    }

    /// Whether two sets share a method. HEAD that only `GET` admits does not count.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.bits & other.bits != 0
            || (self.any && (other.any || !other.extension.is_empty()))
            || (other.any && !self.extension.is_empty())
            || self.extension.iter().any(|m| other.extension.contains(m))
    }

    /// The methods' names, for `Allow`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let head_by_get = self.bits & 0b11 == 1;
        REGISTERED
            .into_iter()
            .enumerate()
            .filter(move |(at, _)| self.bits & (1 << at) != 0 || (*at == 1 && head_by_get))
            .map(|(_, name)| name)
            .chain(self.extension.iter().map(Method::as_str))
    }
}

/// The method's index in [`REGISTERED`].
#[must_use]
pub fn index(method: &Method) -> Option<usize> {
    let name = method.as_str();
    REGISTERED.iter().position(|known| *known == name)
}

/// The method's metric label: its name, or `OTHER`.
#[must_use]
pub fn label(method: &Method) -> &'static str {
    index(method).and_then(|at| REGISTERED.get(at)).copied().unwrap_or("OTHER")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_everything_but_trace_and_connect() {
        let set = MethodSet::default();
        for name in ["GET", "HEAD", "POST", "PATCH", "OPTIONS", "PURGE"] {
            assert!(set.admits(&Method::from_bytes(name.as_bytes()).unwrap()), "{name}");
        }
        assert!(!set.admits(&Method::TRACE));
        assert!(!set.admits(&Method::CONNECT));
    }

    #[test]
    fn get_admits_head_and_allow_says_so() {
        let set = MethodSet::parse(&["GET", "POST"]).unwrap();
        assert!(set.admits(&Method::HEAD));
        assert!(!set.admits(&Method::PUT));
        assert_eq!(set.names().collect::<Vec<_>>(), ["GET", "HEAD", "POST"]);
    }

    #[test]
    fn words_that_are_no_method_are_refused() {
        for word in ["get", "", "G T", "TRACE", "CONNECT"] {
            assert!(MethodSet::parse(&[word]).is_err(), "{word}");
        }
        assert!(MethodSet::parse(&["PURGE"]).unwrap().admits(&Method::from_bytes(b"PURGE").unwrap()));
    }

    #[test]
    fn overlap_is_a_shared_method() {
        let set = |words: &[&str]| MethodSet::parse(words).unwrap();
        assert!(set(&["GET", "POST"]).overlaps(&set(&["POST"])));
        assert!(!set(&["GET"]).overlaps(&set(&["POST"])));
        assert!(!set(&["GET"]).overlaps(&set(&["HEAD"])));
        assert!(MethodSet::default().overlaps(&set(&["PURGE"])));
    }
}
