//! A strict JSON reader (RFC 8259) over bytes that stay where they are.
//!
//! What a lenient parser would shrug off is how two parties come to read one document differently: a lone
//! surrogate, a control character in a string, a second member of the same name, text after the end. Here all of
//! it is an error; names and strings are unescaped before anybody compares them. The same reader serves a
//! token's header and payload and the bodies that name identities.

mod names;

use std::borrow::Cow;

use crate::scan;

pub use names::Names;

/// The deepest nesting that passes; the outermost value is level 1.
pub const MAX_DEPTH: usize = 128;

/// The text isn't one JSON value, or is nested too deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// A value as far as anybody here looks at it; composites have been read to their end.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A string, unescaped.
    String(Cow<'a, str>),
    /// A number, as it is written.
    Number(&'a str),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
    /// An object.
    Object,
    /// An array.
    Array,
}

/// A cursor over one JSON text.
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `bytes`.
    ///
    /// # Errors
    /// Bytes that aren't UTF-8. A byte order mark fails later, as no value starts with one.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(bytes).map_err(|_| Malformed)?;
        Ok(Self { text, at: 0, depth: 0 })
    }

    /// Whether the next value is an object.
    #[must_use]
    pub fn at_object(&mut self) -> bool {
        self.peek() == Some(b'{')
    }

    /// Whether the next value is `null`.
    #[must_use]
    pub fn at_null(&mut self) -> bool {
        self.peek() == Some(b'n')
    }

    /// Reads an object, handing each member's name to `member`, which must consume the member's value by one
    /// call of [`Reader::value`] or [`Reader::object`].
    ///
    /// # Errors
    /// Anything but a well-formed object, and whatever `member` returns.
    pub fn object<E: From<Malformed>>(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.enter(b'{')?;
        if self.eat(b'}') {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(Malformed.into());
            }
            let name = self.string()?;
            self.expect(b':')?;
            member(self, name)?;
            if self.eat(b',') {
                continue;
            }
            self.expect(b'}')?;
            self.depth -= 1;
            return Ok(());
        }
    }

    /// Reads one value to its end.
    ///
    /// # Errors
    /// Anything but a well-formed value.
    pub fn value(&mut self) -> Result<Value<'a>, Malformed> {
        match self.peek().ok_or(Malformed)? {
            b'"' => self.string().map(Value::String),
            b'{' => self.object(|r, _| r.value().map(drop)).map(|()| Value::Object),
            b'[' => self.array().map(|()| Value::Array),
            b't' => self.word("true").map(|()| Value::Bool(true)),
            b'f' => self.word("false").map(|()| Value::Bool(false)),
            b'n' => self.word("null").map(|()| Value::Null),
            _ => self.number().map(Value::Number),
        }
    }

    /// Nothing but white space may follow.
    ///
    /// # Errors
    /// Something does.
    pub fn end(&mut self) -> Result<(), Malformed> {
        if self.peek().is_none() { Ok(()) } else { Err(Malformed) }
    }

    fn array(&mut self) -> Result<(), Malformed> {
        self.enter(b'[')?;
        if !self.eat(b']') {
            loop {
                self.value()?;
                if !self.eat(b',') {
                    break;
                }
            }
            self.expect(b']')?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn enter(&mut self, open: u8) -> Result<(), Malformed> {
        self.expect(open)?;
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(Malformed) } else { Ok(()) }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// The next byte that isn't white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.rest();
        let skip = rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.at += skip;
        rest.get(skip).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.eat(byte) { Ok(()) } else { Err(Malformed) }
    }

    fn word(&mut self, word: &str) -> Result<(), Malformed> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(Malformed);
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<&'a str, Malformed> {
        let rest = self.rest();
        let mut len = usize::from(rest.first() == Some(&b'-'));
        let digits = |from: usize| rest.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
        let integer = digits(len);
        if integer == 0 || (integer > 1 && rest.get(len) == Some(&b'0')) {
            return Err(Malformed);
        }
        len += integer;
        if rest.get(len) == Some(&b'.') {
            let fraction = digits(len + 1);
            if fraction == 0 {
                return Err(Malformed);
            }
            len += 1 + fraction;
        }
        if matches!(rest.get(len), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(rest.get(len + 1), Some(b'+' | b'-')));
            let exponent = digits(len + 1 + sign);
            if exponent == 0 {
                return Err(Malformed);
            }
            len += 1 + sign + exponent;
        }
        let text = self.text.get(self.at..self.at + len).ok_or(Malformed)?;
        self.at += len;
        Ok(text)
    }

    /// A string; the cursor stands on its opening quote.
    fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        self.at += 1;
        let start = self.at;
        let plain = self.plain_run();
        match self.rest().first() {
            Some(b'"') => {
                self.at += 1;
                self.text.get(start..start + plain).map(Cow::Borrowed).ok_or(Malformed)
            }
            Some(b'\\') => self.escaped(start).map(Cow::Owned),
            _ => Err(Malformed),
        }
    }

    /// Skips to the next quote, backslash, control character or the end; returns how far.
    fn plain_run(&mut self) -> usize {
        let rest = self.rest();
        // Most of a message is one long run.
        let (chunks, _) = rest.as_chunks::<16>();
        let whole = chunks.iter().take_while(|chunk| scan::all(&chunk[..], is_plain)).count() * 16;
        let len = whole + rest.iter().skip(whole).take_while(|byte| is_plain(**byte)).count();
        self.at += len;
        len
    }

    fn escaped(&mut self, start: usize) -> Result<String, Malformed> {
        let mut out = self.text.get(start..self.at).ok_or(Malformed)?.to_owned();
        loop {
            match self.rest().first() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                _ => return Err(Malformed),
            }
            let from = self.at;
            self.plain_run();
            out.push_str(self.text.get(from..self.at).ok_or(Malformed)?);
        }
    }

    fn escape(&mut self) -> Result<char, Malformed> {
        let kind = *self.rest().first().ok_or(Malformed)?;
        self.at += 1;
        Ok(match kind {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex4()?;
                match unit {
                    0xd800..=0xdbff => {
                        if !self.rest().starts_with(b"\\u") {
                            return Err(Malformed);
                        }
                        self.at += 2;
                        let low = self.hex4()?;
                        if !(0xdc00..=0xdfff).contains(&low) {
                            return Err(Malformed);
                        }
                        char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00)).ok_or(Malformed)?
                    }
                    _ => char::from_u32(unit).ok_or(Malformed)?,
                }
            }
            _ => return Err(Malformed),
        })
    }

    fn hex4(&mut self) -> Result<u32, Malformed> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(Malformed)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Malformed);
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| Malformed)
    }
}

/// Whether a byte means itself in a string.
#[expect(clippy::needless_bitwise_bool, reason = "a branch for each byte is what `scan` does without")]
const fn is_plain(byte: u8) -> bool {
    (byte != b'"') & (byte != b'\\') & (byte > 0x1f)
}

#[cfg(test)]
mod tests;
