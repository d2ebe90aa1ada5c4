use super::*;
use crate::routing::template::MAX_NAMES;

fn table(templates: &[&str]) -> RouteTable {
    let routes = templates.iter().map(|t| (Template::parse(t).unwrap(), MethodSet::default())).collect();
    RouteTable::build(routes).unwrap()
}

fn find<'p>(table: &RouteTable, path: &'p str) -> Result<(usize, Vec<&'p str>), Reason> {
    let found = table.find(path, &Method::GET)?;
    Ok((found.route, (0..MAX_NAMES).filter_map(|n| found.captures.get(path, n)).collect()))
}

#[test]
fn the_most_specific_template_wins_segment_by_segment() {
    let t = table(&["/a/{rest*}", "/a/{x}", "/a/b", "/a/{x}/c", "/{rest*}", "/a/{x*}/d"]);
    assert_eq!(find(&t, "/a/b"), Ok((2, vec![])));
    assert_eq!(find(&t, "/A/B/"), Ok((2, vec![])));
    assert_eq!(find(&t, "/a/z"), Ok((1, vec!["z"])));
    assert_eq!(find(&t, "/a/z/C"), Ok((3, vec!["z"])));
    assert_eq!(find(&t, "/a/z/y"), Ok((0, vec!["z/y"])));
    assert_eq!(find(&t, "/a/z/y/d"), Ok((5, vec!["z/y"])));
    assert_eq!(find(&t, "/a"), Ok((0, vec![""])));
    assert_eq!(find(&t, "/"), Ok((4, vec![""])));
    assert_eq!(find(&t, "/q/r"), Ok((4, vec!["q/r"])));
}

#[test]
fn one_trailing_slash_does_not_matter() {
    let t = table(&["/a/{x}", "/b/{rest*}"]);
    assert_eq!(find(&t, "/a/z/"), Ok((0, vec!["z"])));
    assert_eq!(find(&t, "/b/c/"), Ok((1, vec!["c"])));
    assert_eq!(find(&t, "/b/"), Ok((1, vec![""])));
    assert_eq!(find(&t, "/c"), Err(Reason::RouteUnknown));
}

#[test]
fn only_rest_may_be_empty() {
    let t = table(&["/a/{more*}"]);
    assert_eq!(find(&t, "/a"), Err(Reason::RouteUnknown));
    assert_eq!(find(&t, "/a/"), Err(Reason::RouteUnknown));
    assert_eq!(find(&t, "/a/b/c"), Ok((0, vec!["b/c"])));
}

#[test]
fn a_span_ends_at_the_word_after_it_or_not_at_all() {
    let t = table(&["/u/{userId*}/threads", "/u/{userId*}/threads/{threadId}", "/u/{userId*}/topics/{rest*}"]);
    assert_eq!(find(&t, "/u/WwopGf/Q==/threads"), Ok((0, vec!["WwopGf/Q=="])));
    assert_eq!(find(&t, "/u/a/b/threads/7"), Ok((1, vec!["a/b", "7"])));
    // Two readings, in one template or in two.
    assert_eq!(find(&t, "/u/a/threads/threads"), Err(Reason::PathAmbiguous));
    assert_eq!(find(&t, "/u/a/threads/b/threads"), Err(Reason::PathAmbiguous));
    assert_eq!(find(&t, "/u/a/topics/b/threads"), Err(Reason::PathAmbiguous));
    assert_eq!(find(&t, "/u/threads/threads"), Err(Reason::PathAmbiguous));
    assert_eq!(find(&t, "/u/threads"), Err(Reason::RouteUnknown));
    assert_eq!(find(&t, "/u/a/THREADS/b/threads"), Err(Reason::PathAmbiguous));
}

#[test]
fn a_more_specific_template_without_a_span_is_no_ambiguity() {
    let t = table(&["/u/{userId*}/threads", "/u/{userId}/threads", "/u/{rest*}"]);
    assert_eq!(find(&t, "/u/a/threads"), Ok((1, vec!["a"])));
    assert_eq!(find(&t, "/u/a/b/threads"), Ok((0, vec!["a/b"])));
    assert_eq!(find(&t, "/u/a/b"), Ok((2, vec!["a/b"])));
}

#[test]
fn the_template_is_chosen_before_the_method() {
    let routes = [("/a/b", &["POST"][..]), ("/a/b", &["PUT"]), ("/a/{x}", &["GET"])];
    let t = RouteTable::build(
        routes.iter().map(|(t, m)| (Template::parse(t).unwrap(), MethodSet::parse(m).unwrap())).collect(),
    )
    .unwrap();
    assert_eq!(t.find("/a/b", &Method::GET), Err(Reason::MethodNotAllowed));
    assert_eq!(t.allowed("/a/b"), ["POST", "PUT"]);
    assert_eq!(t.routes_of("/a/b"), Ok(&[0, 1][..]));
    assert_eq!(t.routes_of("/b"), Err(Reason::RouteUnknown));
    assert_eq!(t.find("/a/b", &Method::PUT).unwrap().route, 1);
    assert_eq!(t.find("/a/c", &Method::GET).unwrap().route, 2);
}

#[test]
fn one_template_and_method_twice_is_a_conflict_whatever_the_names() {
    let routes = ["/a/{x}/{rest*}", "/A/{y}/{rest*}", "/a/{x}"]
        .iter()
        .map(|t| (Template::parse(t).unwrap(), MethodSet::default()))
        .collect();
    assert_eq!(RouteTable::build(routes).unwrap_err(), [Conflict { first: 0, second: 1 }]);
}
