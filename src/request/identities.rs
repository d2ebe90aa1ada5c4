//! Where a route's requests name identities, and reading the places outside the body.
//!
//! A route lists *places* (`path.userId`, `query.userId`, `header.X-User`, `body.userId`); each place names one
//! [`Kind`] of identity. This module finds the values and hands them to a [`Named`]; who that is and what comes of it
//! is no business of this room.

use http::{HeaderMap, HeaderName};

use super::body::BodyPlaces;
use super::head::reads_as;
use crate::percent;
use crate::reason::Reason;
use crate::routing::{Captures, Template};

/// What a place names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A user.
    UserId,
    /// A customer.
    CustomerId,
    /// The app once more.
    AppId,
    /// The app part of a `clientId` (`appId/user/device`).
    ClientApp,
    /// The user part of a `clientId`.
    ClientUser,
}

impl Kind {
    /// All kinds, in the order of their words.
    pub const ALL: [Self; 5] = [Self::UserId, Self::CustomerId, Self::AppId, Self::ClientApp, Self::ClientUser];

    /// The key under a route's `identities`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserId => "userId",
            Self::CustomerId => "customerId",
            Self::AppId => "appId",
            Self::ClientApp => "clientApp",
            Self::ClientUser => "clientUser",
        }
    }

    /// The kind of a key.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The reason for a request that names this kind wrongly.
    #[must_use]
    pub const fn mismatch(self) -> Reason {
        match self {
            Self::UserId | Self::ClientUser => Reason::UserMismatch,
            Self::CustomerId => Reason::CustomerMismatch,
            Self::AppId | Self::ClientApp => Reason::AppMismatch,
        }
    }
}

/// Who is told what a request names.
pub trait Named {
    /// The request names `value` as `kind`; for the client kinds, `value` is the whole `clientId`. An empty value
    /// names nothing.
    ///
    /// # Errors
    /// The reason to turn the request away.
    fn name(&mut self, kind: Kind, value: &str) -> Result<(), Reason>;
}

/// Where one value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A name of the route's template.
    Path(Box<str>),
    /// A query parameter, by its decoded name.
    Query(Box<str>),
    /// A header.
    Header(HeaderName),
    /// A member of the JSON body; more than one name for a nested one.
    Body(Vec<Box<str>>),
}

/// What is wrong with a place, or a set of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Not of the form `SOURCE.NAME`.
    #[error("`{0}` is no place; write path.NAME, query.NAME, header.NAME or body.NAME")]
    Form(String),
    /// A path name that the template doesn't have.
    #[error("the template has no `{{{0}}}`")]
    NoSuchName(String),
    /// A body place on the way to another one, which is a value there and an object here.
    #[error("`body.{0}` can't be both a value and an object")]
    ValueAndObject(String),
    /// The same place twice for one kind.
    #[error("listed twice")]
    Twice,
}

impl Place {
    /// Parses `path.NAME`, `query.NAME`, `header.NAME` or `body.NAME[.NAME]`.
    ///
    /// # Errors
    /// [`PlaceError::Form`].
    pub fn parse(text: &str) -> Result<Self, PlaceError> {
        let form = || PlaceError::Form(text.to_owned());
        let (source, name) = text.split_once('.').filter(|(_, name)| !name.is_empty()).ok_or_else(form)?;
        match source {
            "path" => Ok(Self::Path(name.into())),
            "query" => Ok(Self::Query(name.into())),
            "header" => HeaderName::from_bytes(name.as_bytes()).map(Self::Header).map_err(|_| form()),
            "body" if name.split('.').all(|part| !part.is_empty()) => {
                Ok(Self::Body(name.split('.').map(Into::into).collect()))
            }
            _ => Err(form()),
        }
    }
}

/// A route's places, laid out for reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    path: Vec<(usize, Kind)>,
    query: Vec<(Box<str>, Kind)>,
    headers: Vec<(HeaderName, Kind)>,
    body: Option<BodyPlaces>,
}

impl Places {
    /// Lays out the places of a route with this template.
    ///
    /// # Errors
    /// The index of each place that can't be used, and why.
    pub fn build(template: &Template, list: &[(Kind, Place)]) -> Result<Self, Vec<(usize, PlaceError)>> {
        let mut places = Self::default();
        let mut errors = Vec::new();
        for (at, (kind, place)) in list.iter().enumerate() {
            if list.iter().take(at).any(|earlier| earlier == &(*kind, place.clone())) {
                errors.push((at, PlaceError::Twice));
            } else if let Err(error) = places.add(template, *kind, place) {
                errors.push((at, error));
            }
        }
        if errors.is_empty() { Ok(places) } else { Err(errors) }
    }

    fn add(&mut self, template: &Template, kind: Kind, place: &Place) -> Result<(), PlaceError> {
        match place {
            Place::Path(name) => {
                let at = template.names().position(|n| n == &**name);
                self.path.push((at.ok_or_else(|| PlaceError::NoSuchName(name.to_string()))?, kind));
            }
            Place::Query(name) => self.query.push((name.clone(), kind)),
            Place::Header(name) => self.headers.push((name.clone(), kind)),
            Place::Body(names) => self
                .body
                .get_or_insert_default()
                .add(names, kind)
                .map_err(|_| PlaceError::ValueAndObject(names.join(".")))?,
        }
        Ok(())
    }

    /// The places in the body; `None`: the body is never read, only streamed.
    #[must_use]
    pub const fn body(&self) -> Option<&BodyPlaces> {
        self.body.as_ref()
    }

    /// Whether nothing is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Binds every value outside the body.
    ///
    /// # Errors
    /// [`Reason::BadRequest`] for a listed value that can't be decoded to UTF-8; the kind's mismatch for a listed
    /// query name or header that occurs twice; and what [`Named::name`] says.
    pub fn bind_head(&self, head: &Head<'_>, names: &mut dyn Named) -> Result<(), Reason> {
        for (name, kind) in &self.path {
            let value = head.captures.get(head.path, *name).unwrap_or_default();
            let value = percent::decode(value.as_bytes(), false).map_err(|_| Reason::BadRequest)?;
            names.name(*kind, &value)?;
        }
        for (name, kind) in &self.headers {
            // Some servers take `X_User` for a second `X-User`.
            if head.headers.keys().any(|other| other != name && reads_as(other.as_str(), name.as_str())) {
                return Err(kind.mismatch());
            }
            let mut values = head.headers.get_all(name).iter();
            let Some(value) = values.next() else { continue };
            if values.next().is_some() {
                return Err(kind.mismatch());
            }
            let value = std::str::from_utf8(value.as_bytes()).map_err(|_| Reason::BadRequest)?;
            names.name(*kind, value)?;
        }
        match head.query {
            Some(query) if !self.query.is_empty() => self.bind_query(query, names),
            _ => Ok(()),
        }
    }

    fn bind_query(&self, query: &[u8], names: &mut dyn Named) -> Result<(), Reason> {
        let mut seen = 0u64;
        for pair in query.split(|b| *b == b'&') {
            let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
            let (name, value) = (pair.get(..at).unwrap_or_default(), pair.get(at + 1..).unwrap_or_default());
            // A name that can't be decoded might be a listed one to somebody else.
            let name = percent::decode(name, true).map_err(|_| Reason::BadRequest)?;
            for (place, (listed, kind)) in self.query.iter().enumerate() {
                if *name != **listed {
                    if plainer(&name) == &**listed {
                        return Err(kind.mismatch());
                    }
                    continue;
                }
                let bit = 1u64 << (place % 64);
                if seen & bit != 0 {
                    return Err(kind.mismatch());
                }
                seen |= bit;
                let value = percent::decode(value, true).map_err(|_| Reason::BadRequest)?;
                names.name(*kind, &value)?;
            }
            self.refuse_hidden(pair)?;
        }
        Ok(())
    }

    /// Some servers take `;` for `&`: a listed name behind one would be read by them alone.
    fn refuse_hidden(&self, pair: &[u8]) -> Result<(), Reason> {
        for piece in pair.split(|b| *b == b';').skip(1) {
            let name = piece.split(|b| *b == b'=').next().unwrap_or_default();
            let Ok(name) = percent::decode(name, true) else { continue };
            if let Some((_, kind)) = self.query.iter().find(|(listed, _)| plainer(&name) == &**listed) {
                return Err(kind.mismatch());
            }
        }
        Ok(())
    }
}

/// A query name as some servers read it: without what leads to it, and up to where they see a list or an end.
fn plainer(name: &str) -> &str {
    name.trim_start().split(['[', '\0']).next().unwrap_or_default()
}

/// What is read of a request's head.
#[derive(Clone, Copy)]
pub struct Head<'r> {
    /// The checked path.
    pub path: &'r str,
    /// What the route's names captured in it.
    pub captures: &'r Captures,
    /// The raw query.
    pub query: Option<&'r [u8]>,
    /// All headers.
    pub headers: &'r HeaderMap,
}

#[cfg(test)]
mod tests;
