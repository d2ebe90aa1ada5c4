//! `routes[].identities`: where a route's requests name somebody.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::list::List;
use super::mistakes::Check;
use super::nearest;
use super::yaml_path::YamlPath;
use crate::request::identities::{Kind, Place, PlaceError, Places};
use crate::routing::Template;

/// Places where a request names an identity, by kind.
#[derive(Clone, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Identities {
    /// The user. Example: `[path.userId, body.userId]`.
    user_id: List<String>,
    /// The customer. Example: `[body.customerId]`.
    customer_id: List<String>,
    /// The app once more. Example: `[body.appId]`.
    app_id: List<String>,
    /// A `clientId` (`appId/user/device`), of which the app part counts. Example: `[body.clientId]`.
    client_app: List<String>,
    /// A `clientId` (`appId/user/device`), of which the user part counts. Example: `[body.clientId]`.
    client_user: List<String>,
}

impl Identities {
    /// Whether any place lies in the body.
    #[must_use]
    pub fn read_the_body(&self) -> bool {
        let Self { user_id, customer_id, app_id, client_app, client_user } = self;
        let lists = [user_id, customer_id, app_id, client_app, client_user];
        lists.into_iter().flat_map(List::iter).any(|(_, place)| place.starts_with("body."))
    }

    /// The places of a route with this template; `None`: some were refused.
    #[must_use]
    pub fn settle(self, template: &Template, at: &YamlPath, check: &mut Check) -> Option<Places> {
        let Self { user_id, customer_id, app_id, client_app, client_user } = self;
        let lists = [
            (Kind::UserId, user_id),
            (Kind::CustomerId, customer_id),
            (Kind::AppId, app_id),
            (Kind::ClientApp, client_app),
            (Kind::ClientUser, client_user),
        ];
        let before = check.count();
        let (mut places, mut paths) = (Vec::new(), Vec::new());
        for (kind, list) in lists {
            for (n, text) in list.into_entries() {
                let at = at.key(kind.as_str()).index(n);
                let Ok(place) = Place::parse(&text) else {
                    let shown = check.show(&at, &text);
                    let forms = "`path.NAME`, `query.NAME`, `header.NAME` or `body.NAME`";
                    check.refuse(&at, format!("{shown} is no place in a request; write {forms}"));
                    continue;
                };
                places.push((kind, place));
                paths.push(at);
            }
        }
        match Places::build(template, &places) {
            Ok(places) if check.count() == before => Some(places),
            Ok(_) => None,
            Err(errors) => {
                for (n, error) in errors {
                    if let Some(at) = paths.get(n) {
                        let problem = check.explain(at, &error, "can't be a place of this route");
                        check.refuse(at, format!("{problem}; {}", remedy(&error, template)));
                    }
                }
                None
            }
        }
    }
}

fn remedy(error: &PlaceError, template: &Template) -> String {
    match error {
        PlaceError::NoSuchName(_) => {
            let names: Vec<&str> = template.names().collect();
            format!("its names are {}", nearest::list(&names, "and"))
        }
        PlaceError::ValueAndObject(_) => "list the value or what lies in the object, not both".to_owned(),
        PlaceError::Twice => "keep one of them".to_owned(),
        PlaceError::Form(_) => "write `path.NAME`, `query.NAME`, `header.NAME` or `body.NAME`".to_owned(),
    }
}
