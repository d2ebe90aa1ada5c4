//! Events and documents as a server sends them.

use ::mongodb::bson::oid::ObjectId;
use ::mongodb::bson::spec::BinarySubtype;
use ::mongodb::bson::{Binary, Document as Doc, Timestamp, doc};

use super::*;
use crate::apps::feed::source::OpTime;
use crate::apps::{Policy, SecretEncoding, reading};

fn raw(document: &Doc) -> RawDocumentBuf {
    RawDocumentBuf::try_from(document).unwrap()
}

fn oid(n: u8) -> ObjectId {
    ObjectId::from_bytes([n; 12])
}

fn change(kind: &str, rest: Doc) -> Event {
    let mut event = doc! {
        "_id": { "_data": "82" }, "operationType": kind, "ns": { "db": "rtms", "coll": "apps" },
        "documentKey": { "_id": oid(1) }, "clusterTime": Timestamp { time: 7, increment: 3 },
        "wallTime": DateTime::from_millis(1_234),
    };
    event.extend(rest);
    super::event(&raw(&event), "apps")
}

fn patched(update: Doc, document: &mut Document) -> bool {
    match change("update", doc! { "updateDescription": update }).what {
        What::Patch(id, patch) => {
            assert_eq!(id, DocId::ObjectId([1; 12]));
            patch.apply(document)
        }
        _ => panic!("not a patch"),
    }
}

#[test]
fn an_event_has_its_time_and_the_writers() {
    let event = change("delete", doc! {});
    assert_eq!(event.at, Some(OpTime(7 << 32 | 3)));
    assert_eq!(event.wrote, Some(1_234));
    assert!(matches!(event.what, What::Remove(DocId::ObjectId(_))));
}

#[test]
fn inserts_and_replacements_carry_the_document_and_are_doubtful_without() {
    let full = doc! { "fullDocument": { "_id": oid(1), "appId": "A", "jwt_secretkey": "s", "appName": "n" } };
    for (kind, expected) in [("insert", Change::Insert), ("replace", Change::Replace)] {
        let What::Put(_, document, change_kind) = change(kind, full.clone()).what else { panic!("{kind}") };
        assert_eq!(change_kind, expected);
        assert!(document.get("jwt_secretkey") == Some(&Value::string("s")));
        assert!(matches!(change(kind, doc! { "fullDocument": null }).what, What::Doubtful(_)), "{kind}");
    }
    assert!(matches!(change("update", doc! {}).what, What::Doubtful(_)));
}

#[test]
fn the_end_of_the_collection_is_told_apart_from_what_is_nobodys_business() {
    for (kind, cause) in [
        ("drop", ReloadCause::Dropped),
        ("dropDatabase", ReloadCause::Dropped),
        ("rename", ReloadCause::Renamed),
        ("invalidate", ReloadCause::Invalidated),
    ] {
        assert!(matches!(change(kind, doc! {}).what, What::Gone(c) if c == cause), "{kind}");
    }
    assert!(matches!(change("createIndexes", doc! {}).what, What::Unknown));
    assert!(matches!(change("insert", doc! { "ns": { "db": "rtms", "coll": "other" } }).what, What::Unknown));
    // Whatever it was: it can't be passed over.
    assert!(matches!(change("delete", doc! { "documentKey": {} }).what, What::Gone(ReloadCause::Unreadable)));
    assert!(matches!(change("delete", doc! { "operationType": 5 }).what, What::Gone(ReloadCause::Unreadable)));
}

#[test]
fn an_update_is_patched_from_what_it_says() {
    let mut document = Document::default();
    document.set("appId", Value::string("A"));
    document.set("jwt_secretkey", Value::string("s"));
    document.set("jwtSecretKey", Value::string("typo"));
    let update = doc! {
        "updatedFields": { "disabled": true, "appName": "n", "stats.logins": 5, "tokens_valid_after": DateTime::from_millis(9) },
        "removedFields": ["jwt_secretkey", "jwtSecretKey", "stats.x"],
        "truncatedArrays": [{ "field": "history", "newSize": 2 }],
    };
    assert!(patched(update, &mut document));
    assert!(document.get("disabled") == Some(&Value::Bool(true)));
    assert!(document.get("tokens_valid_after") == Some(&Value::Date(9)));
    assert!(document.get("jwt_secretkey").is_none() && document.look_alike().is_none());
}

#[test]
fn a_part_of_a_field_of_ours_needs_a_read_unless_the_field_is_made_of_parts() {
    let updates = [
        doc! { "updatedFields": { "jwt_secretkey.x": "s" }, "removedFields": [] },
        doc! { "updatedFields": {}, "removedFields": ["jwt_secretkey.x"] },
        doc! { "updatedFields": {}, "truncatedArrays": [{ "field": "jwt_secretkey", "newSize": 0 }] },
    ];
    for update in updates {
        let mut document = Document::default();
        assert!(!patched(update.clone(), &mut document), "{update}");
        document.set("jwt_secretkey", Value::Other(Type::Array));
        assert!(patched(update.clone(), &mut document), "{update}");
        assert!(document.get("jwt_secretkey") == Some(&Value::Other(Type::Array)));
    }
}

#[test]
fn every_bson_type_is_a_value_or_one_no_field_may_have() {
    let typed = |value: Bson| {
        let (_, record) = record(&raw(&doc! { "_id": 1, "disabled": value })).unwrap();
        record.unpack().get("disabled").cloned().unwrap()
    };
    assert!(typed(Bson::Null) == Value::Null);
    assert!(typed(Bson::Boolean(false)) == Value::Bool(false));
    assert!(typed(Bson::String("x".into())) == Value::string("x"));
    assert!(typed(Bson::DateTime(DateTime::from_millis(-1))) == Value::Date(-1));
    for number in [Bson::Int32(1), Bson::Int64(1), Bson::Double(1.0)] {
        assert!(typed(number) == Value::Other(Type::Number));
    }
    let binary = Binary { subtype: BinarySubtype::Generic, bytes: vec![1] };
    assert!(typed(Bson::Binary(binary)) == Value::Other(Type::Binary));
    assert!(typed(Bson::Array(vec![])) == Value::Other(Type::Array));
    assert!(typed(Bson::Document(doc! {})) == Value::Other(Type::Object));
    for odd in
        [Bson::Undefined, Bson::MaxKey, Bson::Symbol("x".into()), Bson::Timestamp(Timestamp { time: 1, increment: 1 })]
    {
        assert!(typed(odd) == UNREADABLE);
    }
}

#[test]
fn a_document_that_breaks_off_is_unusable_by_itself_and_stays_so_until_all_of_it_is_known() {
    let mut bytes = raw(&doc! { "_id": oid(1), "appId": "A", "x!": 1, "disabled": true }).into_bytes();
    let name = bytes.windows(2).position(|w| w == b"x!").unwrap();
    bytes[name] = 0xff;
    let broken = RawDocumentBuf::from_bytes(bytes).unwrap();
    let (id, record) = record(&broken).expect("the other documents are loaded all the same");
    assert_eq!(id, DocId::ObjectId([1; 12]));
    let mut document = record.unpack();
    document.set("jwt_secretkey", Value::string("s"));
    let reading = reading::read(&document, SecretEncoding::Raw);
    assert_eq!(reading.app_id.as_deref(), Some("A"));
    assert!(matches!(reading.policy, Policy::Unusable), "whether it is disabled, nobody knows");
}

#[test]
fn a_secret_that_is_not_utf_8_or_stands_twice_makes_no_sense() {
    let mut bytes = raw(&doc! { "_id": 1, "jwt_secretkey": "sXcret" }).into_bytes();
    let at = bytes.iter().position(|b| *b == b'X').unwrap();
    bytes[at] = 0xff;
    let (_, broken) = record(&RawDocumentBuf::from_bytes(bytes).unwrap()).unwrap();
    assert!(broken.unpack().get("jwt_secretkey") == Some(&UNREADABLE));

    let mut twice = RawDocumentBuf::new();
    twice.append(cstr!("_id"), 1);
    twice.append(cstr!("jwt_secretkey"), "a");
    twice.append(cstr!("jwt_secretkey"), "b");
    assert!(record(&twice).unwrap().1.unpack().get("jwt_secretkey") == Some(&UNREADABLE));
}

#[test]
fn ids_of_every_kind_come_back_as_they_were_and_have_a_name() {
    let ids = [
        (Bson::ObjectId(oid(0xab)), "_id abababababababababababab"),
        (Bson::String("AP1".into()), "_id \"AP1\""),
        (Bson::Int32(5), "_id 5"),
        (Bson::Int64(5), "_id 5"),
        (Bson::Document(doc! { "a": 1 }), "_id { \"a\": 1 }"),
    ];
    let mut seen = std::collections::HashSet::new();
    for (id, expected) in ids {
        let (kept, _) = record(&raw(&doc! { "_id": id.clone(), "appId": "A" })).unwrap();
        assert_eq!(bson(&kept), Some(id));
        assert_eq!(name(&kept), expected);
        assert!(seen.insert(kept));
    }
    assert!(record(&raw(&doc! { "appId": "A" })).is_none());
    let (long, _) = record(&raw(&doc! { "_id": "x".repeat(1000) })).unwrap();
    assert!(name(&long).len() < 100);
}
