//! Random app documents: mostly sound, some of every kind that isn't.

use fastrand::Rng;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Document, doc};

/// How many appIds there are. Fewer than `_id`s, so that some are claimed twice.
const APPS: usize = 40;
/// How many `_id`s there are.
const IDS: usize = 56;

/// Names that only look like fields of an app document.
pub(super) const LOOK_ALIKES: [&str; 3] = ["jwtSecretKey", "JWT_SECRETKEY", "tokensValidAfter"];

/// Secrets, with what they are as base64 (done by hand).
const SECRETS: [(&str, Option<&[u8]>); 8] = [
    ("a raw secret of more than 32 bytes, no base64", None),
    ("another raw secret; it has more than the sixty-four bytes that fit into a block", None),
    ("c2VjcmV0", Some(b"secret")),
    ("-__-AQ", Some(&[0xfb, 0xff, 0xfe, 0x01])),
    ("+//+AQ==", Some(&[0xfb, 0xff, 0xfe, 0x01])),
    ("a*b", None),
    ("c2VjcmV1", Some(b"secreu")),
    ("", Some(b"")),
];

/// A moment between the dates that documents have: 2020.
pub(super) const TODAY: i64 = 1_577_836_800_000;
/// 2001 and 2100.
const EXPIRIES: [i64; 2] = [978_307_200_000, 4_102_444_800_000];
/// A revocation within a second: 2023-01-01T00:00:00.5Z.
const CUT: i64 = 1_672_531_200_500;
/// `iat`s before and after it.
pub(super) const IATS: [Option<i64>; 3] = [None, Some(CUT / 1000), Some(CUT / 1000 + 1)];

/// All appIds.
pub(super) fn apps() -> impl Iterator<Item = String> {
    (0..APPS).map(|n| format!("TR{n:02}"))
}

/// All keys that any document may lead to.
pub(super) fn keys() -> Vec<Vec<u8>> {
    let raw = SECRETS.iter().map(|(text, _)| text.as_bytes().to_vec());
    let decoded = SECRETS.iter().filter_map(|(_, decoded)| decoded.map(<[u8]>::to_vec));
    let mut keys: Vec<Vec<u8>> = raw.chain(decoded).filter(|key| !key.is_empty()).collect();
    keys.sort();
    keys.dedup();
    keys
}

/// What a secret is as base64.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    SECRETS.iter().find(|(secret, _)| *secret == text).and_then(|(_, decoded)| decoded.map(<[u8]>::to_vec))
}

/// One of the `_id`s, of three types.
pub(super) fn id(rng: &mut Rng) -> Bson {
    let n = rng.usize(..IDS);
    match n % 3 {
        0 => Bson::Int32(i32::try_from(n).expect("small")),
        1 => Bson::String(format!("document {n}")),
        _ => Bson::ObjectId(ObjectId::from_bytes([u8::try_from(n).expect("small"); 12])),
    }
}

/// One of the appIds.
pub(super) fn app(rng: &mut Rng) -> String {
    format!("TR{:02}", rng.usize(..APPS))
}

/// A whole document without its `_id`.
pub(super) fn document(rng: &mut Rng) -> Document {
    let mut document = doc! { "appId": app_id(rng) };
    for field in FIELDS {
        if rng.u8(..100) < field.1 {
            document.insert(field.0, value(field.0, rng));
        }
    }
    document
}

/// Fields, and how many documents of a hundred have them.
const FIELDS: [(&str, u8); 8] = [
    ("jwt_secretkey", 88),
    ("secret_encoding", 30),
    ("jwt_secretkey_previous", 25),
    ("previous_expires_at", 30),
    ("disabled", 15),
    ("tokens_valid_after", 25),
    ("jwtSecretKey", 2),
    ("appName", 40),
];

/// One field for an update, with its new value.
pub(super) fn change(rng: &mut Rng) -> (&'static str, Bson) {
    let name = match rng.u8(..20) {
        0 => "appId",
        1 => LOOK_ALIKES[rng.usize(..LOOK_ALIKES.len())],
        2..10 => "jwt_secretkey",
        _ => FIELDS[rng.usize(..FIELDS.len())].0,
    };
    (name, value(name, rng))
}

/// A field for an update to remove.
pub(super) fn field(rng: &mut Rng) -> &'static str {
    match rng.u8(..30) {
        0 => "appId",
        1..8 => LOOK_ALIKES[rng.usize(..LOOK_ALIKES.len())],
        _ => FIELDS[rng.usize(..FIELDS.len())].0,
    }
}

fn value(field: &str, rng: &mut Rng) -> Bson {
    if rng.u8(..100) < 6 {
        return senseless(rng);
    }
    match field {
        "appId" => app_id(rng),
        "secret_encoding" => ["raw", "base64", "base64", "hex"][rng.usize(..4)].into(),
        "previous_expires_at" => date(EXPIRIES[rng.usize(..2)]),
        "tokens_valid_after" => date(CUT),
        "disabled" => rng.bool().into(),
        "appName" => format!("name {}", rng.u8(..)).into(),
        _ => SECRETS[rng.usize(..SECRETS.len())].0.into(),
    }
}

fn app_id(rng: &mut Rng) -> Bson {
    match rng.u8(..60) {
        0 => Bson::Null,
        1 => 7.into(),
        2 => "no/id".into(),
        _ => app(rng).into(),
    }
}

fn date(ms: i64) -> Bson {
    DateTime::from_millis(ms).into()
}

/// A value that hardly any field may have.
fn senseless(rng: &mut Rng) -> Bson {
    match rng.u8(..6) {
        0 => Bson::Null,
        1 => rng.i32(..).into(),
        2 => "2026-01-01T00:00:00Z".into(),
        3 => doc! { "x": 1 }.into(),
        4 => vec!["x"].into(),
        _ => Binary { subtype: BinarySubtype::Generic, bytes: b"x".to_vec() }.into(),
    }
}
