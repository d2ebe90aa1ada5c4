use super::super::document::Value;
use super::*;

fn id(n: u8) -> DocId {
    DocId::ObjectId([n; 12])
}

fn doc(app: &str, secret: Option<&str>) -> Document {
    let mut d = Document::default();
    d.set("appId", Value::string(app));
    if let Some(secret) = secret {
        d.set("jwt_secretkey", Value::string(secret));
    }
    d
}

fn state(apps: &mut Apps, app: &str) -> Option<&'static str> {
    apps.publish();
    apps.published().load().get(app).map(|a| match a.policy {
        Policy::Open => "open",
        Policy::Jwt(_) => "jwt",
        Policy::Disabled => "disabled",
        Policy::Unusable => "unusable",
    })
}

#[test]
fn two_documents_with_one_app_id_are_both_unusable_until_one_is_gone() {
    let mut apps = Apps::new(SecretEncoding::Raw);
    apps.upsert(&id(1), &doc("A", Some("s1")));
    let second = apps.upsert(&id(2), &doc("A", None));
    assert_eq!(second.fault, Some(Fault::Duplicate));
    assert_eq!(state(&mut apps, "A"), Some("unusable"));
    assert_eq!(apps.counts(), Counts { unusable: 2, short_keys: 1, ..Counts::default() });
    apps.upsert(&id(3), &doc("A", None));
    apps.remove(&id(2));
    assert_eq!(state(&mut apps, "A"), Some("unusable"));
    apps.remove(&id(3));
    assert_eq!(state(&mut apps, "A"), Some("jwt"));
    assert_eq!(apps.counts().total(), 1);
}

#[test]
fn a_document_that_changes_its_app_id_frees_the_old_one() {
    let mut apps = Apps::new(SecretEncoding::Raw);
    apps.upsert(&id(1), &doc("A", Some("s")));
    apps.patch(&id(1), |d| d.set("appId", Value::string("B")));
    assert_eq!(state(&mut apps, "A"), None);
    assert_eq!(state(&mut apps, "B"), Some("jwt"));
    apps.upsert(&id(2), &doc("A", None));
    apps.patch(&id(1), |d| d.set("appId", Value::string("A")));
    assert_eq!(state(&mut apps, "A"), Some("unusable"));
    apps.patch(&id(2), |d| d.set("appId", Value::string("B")));
    assert_eq!(state(&mut apps, "A"), Some("jwt"));
    assert_eq!(state(&mut apps, "B"), Some("open"));
}

#[test]
fn a_senseless_change_never_leaves_the_old_secret_in_force() {
    let mut apps = Apps::new(SecretEncoding::Raw);
    apps.upsert(&id(1), &doc("A", Some("s")));
    apps.patch(&id(1), |d| d.set("jwt_secretkey", Value::Bool(true)));
    assert_eq!(state(&mut apps, "A"), Some("unusable"));
    apps.patch(&id(1), |d| d.set("appId", Value::Null));
    assert_eq!(state(&mut apps, "A"), None);
    assert_eq!(apps.counts(), Counts { unusable: 1, ..Counts::default() });
    assert!(apps.patch(&id(9), |_| ()).is_none());
}

#[test]
fn a_published_snapshot_never_changes() {
    let mut apps = Apps::new(SecretEncoding::Raw);
    apps.upsert(&id(1), &doc("A", Some("s")));
    apps.publish();
    let before = apps.published().load_full();
    apps.remove(&id(1));
    apps.publish();
    assert!(before.get("A").is_some());
    assert!(apps.published().load().is_empty());
}
