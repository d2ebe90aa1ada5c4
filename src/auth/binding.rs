//! Does the token speak for whom the request names?

use crate::reason::Reason;
use crate::request::identities::{Kind, Named};

/// How many of the kinds a request names the token must vouch for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vouch {
    /// Every one.
    #[default]
    All,
    /// One is enough; those the token has must still be equal.
    Any,
}

/// For whom a verified token speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'t> {
    /// The path's app, which the token's `appId` equals.
    pub app: &'t str,
    /// The token's user.
    pub user: Option<&'t str>,
    /// The token's customer.
    pub customer: Option<&'t str>,
    /// The token has neither and need not: it vouches for everybody in its app.
    pub whole_app: bool,
}

/// The comparison of one request's identities with a [`Subject`], place by place.
#[derive(Debug)]
pub struct Binding<'t> {
    subject: &'t Subject<'t>,
    vouch: Vouch,
    tally: Tally,
}

/// What the request named so far. Outlives the borrow of the token across the wait for a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// A kind that the token has, with the same value.
    vouched: bool,
    /// A user, where the token has none.
    user_unvouched: bool,
    /// A customer, where the token has none.
    customer_unvouched: bool,
}

impl<'t> Binding<'t> {
    /// Nothing named yet.
    #[must_use]
    pub fn new(subject: &'t Subject<'t>, vouch: Vouch) -> Self {
        Self::resume(subject, vouch, Tally::default())
    }

    /// Goes on where an earlier binding of the same request stood.
    #[must_use]
    pub const fn resume(subject: &'t Subject<'t>, vouch: Vouch, tally: Tally) -> Self {
        Self { subject, vouch, tally }
    }

    /// Where this binding stands.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    fn user(&mut self, value: &str) -> Result<(), Reason> {
        let Some(user) = self.subject.user else {
            self.tally.user_unvouched = true;
            return Ok(());
        };
        self.tally.vouched = true;
        equal(value, user, Kind::UserId)
    }

    /// Everything has been named: is what the token doesn't have vouched for by what it has?
    ///
    /// # Errors
    /// [`Reason::UserMismatch`] or [`Reason::CustomerMismatch`].
    pub const fn finish(self) -> Result<(), Reason> {
        let enough = self.subject.whole_app || (matches!(self.vouch, Vouch::Any) && self.tally.vouched);
        if enough {
            Ok(())
        } else if self.tally.user_unvouched {
            Err(Reason::UserMismatch)
        } else if self.tally.customer_unvouched {
            Err(Reason::CustomerMismatch)
        } else {
            Ok(())
        }
    }
}

impl Named for Binding<'_> {
    /// Compares with the token; a `clientId` with fewer than two `/` names nobody that a token could vouch for.
    fn name(&mut self, kind: Kind, value: &str) -> Result<(), Reason> {
        if value.is_empty() {
            return Ok(());
        }
        match kind {
            Kind::AppId => equal(value, self.subject.app, kind),
            Kind::ClientApp => equal(split_client(value, kind)?.0, self.subject.app, kind),
            Kind::UserId => self.user(value),
            Kind::ClientUser => match split_client(value, kind)?.1 {
                "" => Ok(()),
                user => self.user(user),
            },
            Kind::CustomerId => {
                let Some(customer) = self.subject.customer else {
                    self.tally.customer_unvouched = true;
                    return Ok(());
                };
                self.tally.vouched = true;
                equal(value, customer, kind)
            }
        }
    }
}

fn equal(named: &str, claimed: &str, kind: Kind) -> Result<(), Reason> {
    if named == claimed { Ok(()) } else { Err(kind.mismatch()) }
}

/// App and user of a `clientId`: before the first `/`, and between the first and the last.
fn split_client(client: &str, kind: Kind) -> Result<(&str, &str), Reason> {
    let (app, rest) = client.split_once('/').ok_or(kind.mismatch())?;
    let (user, _device) = rest.rsplit_once('/').ok_or(kind.mismatch())?;
    Ok((app, user))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(user: Option<&str>, customer: Option<&str>, vouch: Vouch, named: &[(Kind, &str)]) -> Result<(), Reason> {
        let subject = Subject { app: "A", user, customer, whole_app: false };
        let mut binding = Binding::new(&subject, vouch);
        for (kind, value) in named {
            binding.name(*kind, value)?;
        }
        binding.finish()
    }

    #[test]
    fn every_named_kind_must_be_vouched_for() {
        let named = [(Kind::ClientUser, "A/u/d"), (Kind::CustomerId, "c")];
        assert_eq!(outcome(Some("u"), Some("c"), Vouch::All, &named), Ok(()));
        assert_eq!(outcome(Some("u"), None, Vouch::All, &named), Err(Reason::CustomerMismatch));
        assert_eq!(outcome(None, Some("c"), Vouch::All, &named), Err(Reason::UserMismatch));
        assert_eq!(outcome(None, None, Vouch::All, &[]), Ok(()));
    }

    #[test]
    fn one_kind_is_enough_for_any_but_none_may_differ() {
        let named = [(Kind::ClientUser, "A/u/d"), (Kind::CustomerId, "new")];
        assert_eq!(outcome(Some("u"), None, Vouch::Any, &named), Ok(()));
        assert_eq!(outcome(Some("x"), None, Vouch::Any, &named), Err(Reason::UserMismatch));
        assert_eq!(outcome(Some("u"), Some("old"), Vouch::Any, &named), Err(Reason::CustomerMismatch));
        assert_eq!(outcome(Some("u"), None, Vouch::Any, &[(Kind::CustomerId, "new")]), Err(Reason::CustomerMismatch));
    }

    #[test]
    fn a_user_in_a_client_id_may_contain_slashes() {
        let named = [(Kind::ClientUser, "A/WwopGf/Q==/Z8WPLM")];
        assert_eq!(outcome(Some("WwopGf/Q=="), None, Vouch::All, &named), Ok(()));
        assert_eq!(outcome(Some("u"), None, Vouch::All, &[(Kind::ClientUser, "A/u")]), Err(Reason::UserMismatch));
        assert_eq!(outcome(Some("u"), None, Vouch::All, &[(Kind::ClientApp, "a/u/d")]), Err(Reason::AppMismatch));
    }

    #[test]
    fn a_token_for_the_whole_app_vouches_for_everybody_in_it() {
        let subject = Subject { app: "A", user: None, customer: None, whole_app: true };
        let mut binding = Binding::new(&subject, Vouch::All);
        binding.name(Kind::UserId, "anybody").unwrap();
        assert_eq!(binding.name(Kind::AppId, "B"), Err(Reason::AppMismatch));
        assert_eq!(binding.finish(), Ok(()));
    }
}
