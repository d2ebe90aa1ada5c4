use super::*;
use crate::auth::binding::{Binding, Subject, Vouch};
use http::HeaderValue;

const SUBJECT: Subject<'static> = Subject { app: "A", user: Some("u/1"), customer: None, whole_app: false };

fn bind(places: &[(Kind, &str)], path: &str, query: Option<&str>, headers: &HeaderMap) -> Result<(), Reason> {
    let template = Template::parse("/{appId}/{userId*}/x").unwrap();
    let list: Vec<_> = places.iter().map(|(k, p)| (*k, Place::parse(p).unwrap())).collect();
    let places = Places::build(&template, &list).unwrap();
    let table = crate::routing::RouteTable::build(vec![(template, crate::routing::MethodSet::default())]).unwrap();
    let captures = table.find(path, &http::Method::GET).unwrap().captures;
    let head = Head { path, captures: &captures, query: query.map(str::as_bytes), headers };
    let mut binding = Binding::new(&SUBJECT, Vouch::All);
    places.bind_head(&head, &mut binding)?;
    binding.finish()
}

#[test]
fn a_user_in_the_path_is_decoded_once_and_may_contain_slashes() {
    let none = HeaderMap::new();
    let user = [(Kind::UserId, "path.userId")];
    assert_eq!(bind(&user, "/A/u/1/x", None, &none), Ok(()));
    assert_eq!(bind(&user, "/A/u/2/x", None, &none), Err(Reason::UserMismatch));
    assert_eq!(bind(&user, "/A/u/%FF/x", None, &none), Err(Reason::BadRequest));
    assert_eq!(bind(&[], "/A/u/%FF/x", None, &none), Ok(()));
}

#[test]
fn a_listed_query_name_may_stand_once() {
    let none = HeaderMap::new();
    let user = [(Kind::UserId, "query.userId")];
    let query = |q: &str| bind(&user, "/A/z/x", Some(q), &none);
    assert_eq!(query("userId=u/1"), Ok(()));
    assert_eq!(query("a=1&user%49d=u%2F1&b"), Ok(()));
    assert_eq!(query("userId=u/1&userId=u/1"), Err(Reason::UserMismatch));
    assert_eq!(query("userId=u/1&user%49d="), Err(Reason::UserMismatch));
    assert_eq!(query("userId=u+1"), Err(Reason::UserMismatch));
    assert_eq!(query("USERID=other"), Ok(()));
    assert_eq!(query("userId=%zz"), Err(Reason::BadRequest));
    assert_eq!(query("userId=%ff"), Err(Reason::BadRequest));
    assert_eq!(query("other=%zz"), Ok(()));
    assert_eq!(query("userId="), Ok(()));
    assert_eq!(query("userId"), Ok(()));
}

#[test]
fn a_listed_header_may_stand_once() {
    let user = [(Kind::UserId, "header.X-User")];
    let mut headers = HeaderMap::new();
    headers.append("x-user", HeaderValue::from_static("u/1"));
    assert_eq!(bind(&user, "/A/z/x", None, &headers), Ok(()));
    headers.append("x-user", HeaderValue::from_static("u/1"));
    assert_eq!(bind(&user, "/A/z/x", None, &headers), Err(Reason::UserMismatch));
}

#[test]
fn places_that_make_no_sense_are_named() {
    for bad in ["userId", "path.", "cookie.x", "header.a b", "body.a..b", "body."] {
        assert!(Place::parse(bad).is_err(), "{bad}");
    }
    let template = Template::parse("/{appId}").unwrap();
    let place = |p| (Kind::UserId, Place::parse(p).unwrap());
    let errors = Places::build(
        &template,
        &[place("path.user"), place("body.a"), place("body.a.b"), place("query.x"), place("query.x")],
    )
    .unwrap_err();
    assert_eq!(errors.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 2, 4]);
}
