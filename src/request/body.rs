//! Identities in a JSON body: one strict scan that unescapes first and compares after.
//!
//! A parser behind the gateway may take the first of two equal members, the last, or ignore case. So a listed
//! name may stand once, in its own spelling, with a plain value; anything else can't be judged and is refused.

use std::borrow::Cow;

use super::identities::{Kind, Named};
use crate::json::{Malformed, Reader, Value};
use crate::reason::Reason;

/// The listed names of a body, as a tree: inner nodes are objects, leaves are values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyPlaces {
    members: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    name: Box<str>,
    /// What a value here names; empty for a name that only leads on.
    kinds: Vec<Kind>,
    inner: BodyPlaces,
}

/// A name that is a value in one place and leads on in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueAndObject;

/// What a body turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Read, or empty.
    Plain,
    /// `{"encrypted": ".."}`: no identity can be read from it.
    Encrypted,
    /// Read, but a member `encrypted` (in any case) stands beside others: a server may go by that alone.
    PartlyEncrypted,
}

impl From<Malformed> for Reason {
    fn from(_: Malformed) -> Self {
        Self::BodyUnreadable
    }
}

impl BodyPlaces {
    /// Adds the place `names` for `kind`.
    ///
    /// # Errors
    /// A name on the way is a value elsewhere, or the last one leads on elsewhere.
    pub fn add(&mut self, names: &[Box<str>], kind: Kind) -> Result<(), ValueAndObject> {
        let Some((name, rest)) = names.split_first() else { return Err(ValueAndObject) };
        let known = self.members.iter().position(|m| m.name == *name);
        let at = known.unwrap_or_else(|| {
            self.members.push(Member { name: name.clone(), kinds: Vec::new(), inner: Self::default() });
            self.members.len() - 1
        });
        let member = self.members.get_mut(at).ok_or(ValueAndObject)?;
        if rest.is_empty() {
            member.kinds.push(kind);
            if member.inner.members.is_empty() { Ok(()) } else { Err(ValueAndObject) }
        } else if member.kinds.is_empty() {
            member.inner.add(rest, kind)
        } else {
            Err(ValueAndObject)
        }
    }

    /// Scans a whole body and binds what the listed places hold. An empty body names nothing.
    ///
    /// # Errors
    /// [`Reason::BodyUnreadable`], and what [`Named::name`] says.
    pub fn bind(&self, body: &[u8], names: &mut dyn Named) -> Result<Body, Reason> {
        if body.is_empty() {
            return Ok(Body::Plain);
        }
        let mut reader = Reader::new(body)?;
        let mut members = 0usize;
        let (mut only, mut some) = (false, false);
        let mut scan = Scan::new(self);
        reader.object(|reader, name| -> Result<(), Reason> {
            members += 1;
            let encrypted = equal_without_case("encrypted", &name);
            some |= encrypted;
            if let Some(member) = scan.find(&name)? {
                return scan_member(member, reader, names);
            }
            only = matches!(reader.value()?, Value::String(_)) && name == "encrypted";
            Ok(())
        })?;
        reader.end()?;
        Ok(match (members, only, some) {
            (1, true, _) => Body::Encrypted,
            (_, _, true) => Body::PartlyEncrypted,
            _ => Body::Plain,
        })
    }
}

/// The scan of one object.
struct Scan<'p> {
    places: &'p BodyPlaces,
    /// One bit a listed name that has been seen.
    seen: Vec<bool>,
}

impl<'p> Scan<'p> {
    fn new(places: &'p BodyPlaces) -> Self {
        Self { places, seen: vec![false; places.members.len()] }
    }

    /// The listed member of this name; a second one, or one that differs only in case, can't be judged.
    fn find(&mut self, name: &str) -> Result<Option<&'p Member>, Reason> {
        for (member, seen) in self.places.members.iter().zip(&mut self.seen) {
            if *member.name == *name {
                return if std::mem::replace(seen, true) { Err(Reason::BodyUnreadable) } else { Ok(Some(member)) };
            }
            if equal_without_case(&member.name, name) {
                return Err(Reason::BodyUnreadable);
            }
        }
        Ok(None)
    }
}

/// Reads a listed member's value, or on to the listed members in it.
fn scan_member(member: &Member, reader: &mut Reader<'_>, names: &mut dyn Named) -> Result<(), Reason> {
    if member.kinds.is_empty() {
        if reader.at_null() {
            return reader.value().map(drop).map_err(Into::into);
        }
        let mut scan = Scan::new(&member.inner);
        return reader.object(|reader, name| match scan.find(&name)? {
            Some(member) => scan_member(member, reader, names),
            None => reader.value().map(drop).map_err(Into::into),
        });
    }
    let value = match reader.value()? {
        Value::String(text) => text,
        Value::Number(text) => Cow::Borrowed(text),
        Value::Null => return Ok(()),
        Value::Bool(_) | Value::Object | Value::Array => return Err(Reason::BodyUnreadable),
    };
    for kind in &member.kinds {
        let client = matches!(kind, Kind::ClientApp | Kind::ClientUser);
        if client && !value.is_empty() && value.matches('/').count() < 2 {
            return Err(Reason::BodyUnreadable);
        }
        names.name(*kind, &value)?;
    }
    Ok(())
}

/// Equal when case is ignored, by the widest reading: some parsers fold `ſ` to `s`, the Kelvin sign to `k`, and the
/// dotted and the dotless i to `i` (the dot is what lower case leaves of the former).
fn equal_without_case(ours: &str, theirs: &str) -> bool {
    if theirs.is_ascii() {
        return ours.eq_ignore_ascii_case(theirs);
    }
    // Letter by letter: a body may hold thousands of names, most of which differ in their first.
    folded(ours).eq(folded(theirs))
}

fn folded(name: &str) -> impl Iterator<Item = char> {
    let lower = name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    lower.filter(|c| *c != '\u{307}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::binding::{Binding, Subject, Vouch};

    fn scan(places: &[(Kind, &str)], body: &str) -> Result<Body, Reason> {
        let subject = Subject { app: "A", user: Some("2315"), customer: Some("c"), whole_app: false };
        let mut tree = BodyPlaces::default();
        for (kind, place) in places {
            let names: Vec<Box<str>> = place.split('.').map(Into::into).collect();
            tree.add(&names, *kind).unwrap();
        }
        let mut binding = Binding::new(&subject, Vouch::All);
        let body = tree.bind(body.as_bytes(), &mut binding)?;
        binding.finish().map(|()| body)
    }

    fn user(body: &str) -> Result<Body, Reason> {
        scan(&[(Kind::UserId, "userId"), (Kind::ClientApp, "clientId"), (Kind::ClientUser, "clientId")], body)
    }

    #[test]
    fn the_customers_example_passes() {
        let body = r#"{ "clientId" : "A/2315/v2_22315c49b793ad39", "userId" : "2315" }"#;
        assert_eq!(user(body), Ok(Body::Plain));
    }

    #[test]
    fn what_names_nothing_passes() {
        for body in ["", "{}", r#"{"userId":""}"#, r#"{"userId":null,"clientId":""}"#, r#"{"x":{"userId":"other"}}"#] {
            assert_eq!(user(body), Ok(Body::Plain), "{body}");
        }
        assert_eq!(user(r#"{"encrypted":"abc"}"#), Ok(Body::Encrypted));
        for mixed in [
            r#"{"encrypted":"abc","x":1}"#,
            r#"{"x":1,"encrypted":"abc"}"#,
            r#"{"encrypted":1}"#,
            r#"{"Encrypted":"abc"}"#,
            r#"{"encrypted":"a","encrypted":"b"}"#,
        ] {
            assert_eq!(user(mixed), Ok(Body::PartlyEncrypted), "{mixed}");
        }
        assert_eq!(scan(&[(Kind::UserId, "encrypted")], r#"{"encrypted":"2315"}"#), Ok(Body::PartlyEncrypted));
    }

    #[test]
    fn values_are_compared_after_unescaping_and_numbers_by_their_text() {
        assert_eq!(user(r#"{"user\u0049d":"\u0032315"}"#), Ok(Body::Plain));
        assert_eq!(user(r#"{"userId":2315}"#), Ok(Body::Plain));
        assert_eq!(user(r#"{"userId":2315.0}"#), Err(Reason::UserMismatch));
        assert_eq!(user(r#"{"encrypted":"abc","userId":"x"}"#), Err(Reason::UserMismatch));
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        let bad = [
            r#"{"userId":"2315","userId":"2315"}"#,
            r#"{"userId":"2315","user\u0049d":"1"}"#,
            r#"{"USERID":"2315"}"#,
            "{\"u\u{17f}erId\":\"1\"}",
            "{\"user\u{130}d\":\"1\"}",
            "{\"user\u{131}d\":\"1\"}",
            r#"{"userId":["2315"]}"#,
            r#"{"userId":{"a":1}}"#,
            r#"{"userId":true}"#,
            r#"["2315"]"#,
            "['2315']",
            "\u{feff}{}",
            r#"{"userId":"2315"} x"#,
            r#"{"userId":"2315""#,
            " ",
            "null",
            r#"{"userId":"\ud800"}"#,
            r#"{"clientId":"A/2315"}"#,
            r#"{"clientId":"A"}"#,
            r#"{"clientId":5}"#,
        ];
        for body in bad {
            assert_eq!(user(body), Err(Reason::BodyUnreadable), "{body}");
        }
    }

    #[test]
    fn a_client_id_is_app_user_and_device() {
        assert_eq!(user(r#"{"clientId":"B/2315/d"}"#), Err(Reason::AppMismatch));
        assert_eq!(user(r#"{"clientId":"/2315/d"}"#), Err(Reason::AppMismatch));
        assert_eq!(user(r#"{"clientId":"A/23/15/d"}"#), Err(Reason::UserMismatch));
        assert_eq!(user(r#"{"clientId":"A//d"}"#), Ok(Body::Plain));
    }

    #[test]
    fn nested_places_need_objects_on_the_way() {
        let nested = |body: &str| scan(&[(Kind::UserId, "a.b.userId"), (Kind::CustomerId, "a.customerId")], body);
        assert_eq!(nested(r#"{"a":{"b":{"userId":"2315"},"customerId":"c"}}"#), Ok(Body::Plain));
        assert_eq!(nested(r#"{"a":{"b":{"userId":"x"}}}"#), Err(Reason::UserMismatch));
        assert_eq!(nested(r#"{"a":{"customerId":"x"}}"#), Err(Reason::CustomerMismatch));
        assert_eq!(nested(r#"{"a":null,"userId":"x","b":{"userId":"x","USERID":1}}"#), Ok(Body::Plain));
        for bad in [r#"{"a":[]}"#, r#"{"a":{"b":"x"}}"#, r#"{"a":{},"a":{}}"#, r#"{"A":{}}"#, r#"{"a":{"B":{}}}"#] {
            assert_eq!(nested(bad), Err(Reason::BodyUnreadable), "{bad}");
        }
    }
}
