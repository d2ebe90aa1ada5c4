//! The description of the API: checked in, served, and true of every answer that these tests see.

use std::fs;

use rtms_gateway::profiles::openapi;
use serde_json::Value;

use crate::support::client::get;
use crate::support::gateway::gateway;
use crate::support::upstream::Upstream;

/// The description as it is checked in.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");

#[test]
fn the_description_that_is_checked_in_is_the_one_of_the_code() {
    let generated = serde_json::to_string_pretty(&openapi::document()).unwrap() + "\n";
    if std::env::var_os("RTMS_BLESS").is_some() {
        fs::write(FILE, &generated).unwrap();
    }
    let written = fs::read_to_string(FILE).unwrap_or_default();
    assert!(written == generated, "docs/openapi.json drifted: `RTMS_BLESS=1 cargo test --test profiles` writes it");
}

#[tokio::test]
async fn the_description_is_served_to_anybody() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().profiles().start().await;
    let served = gateway.called(&get("/api/v1/openapi.json"), 200).await;
    assert_eq!(served, openapi::document());
}

#[test]
fn every_call_says_what_it_needs_and_every_reference_leads_somewhere() {
    let document = openapi::document();
    let mut calls = 0;
    for call in document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values()) {
        calls += 1;
        assert!(call["summary"].is_string() && call["operationId"].is_string(), "{call}");
        for status in ["401", "429", "502", "503"] {
            assert!(call["responses"][status]["description"].is_string(), "{} {status}", call["operationId"]);
        }
    }
    assert_eq!(calls, 9);
    each_reference(&document, &mut |reference| {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    });
}

fn each_reference(value: &Value, seen: &mut impl FnMut(&str)) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(reference) if name == "$ref" => seen(reference),
                    _ => each_reference(value, seen),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| each_reference(value, seen)),
        _ => {}
    }
}
