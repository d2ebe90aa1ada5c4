//! Peers that die, hang, flap and come back under load, and what deploys do: what fails, and for how long.

use std::time::Duration;

use crate::scenarios::certificates::Connections;
use crate::scenarios::names::Leaves;
use crate::scenarios::{certificates, deploys, names, peers};
use crate::support::load::CLIENTS;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_peer_fails_no_idempotent_request() {
    for guard in [false, true] {
        peers::killed(guard).await.report.none_failed();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flapping_peer_fails_no_idempotent_request() {
    peers::flapping().await.report.none_failed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_half_of_the_peers_dead_the_others_serve_everything() {
    peers::half_dead().await.report.none_failed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_peer_costs_each_client_a_request_or_two_and_then_none() {
    let outcome = peers::hanging().await;
    let (report, failed) = (&outcome.report, outcome.report.failed());
    assert!((1..=2 * CLIENTS).contains(&failed.len()), "{} of {} failed", failed.len(), report.answers.len());
    assert!(failed.iter().all(|answer| answer.status == Some(504)), "{failed:?}");
    let after = report.recovered_after(outcome.event);
    assert!(after < Duration::from_secs(3), "{after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_all_peers_dead_it_says_so_at_once_and_recovers_by_itself() {
    let (outcome, back) = peers::all_dead().await;
    let failed = outcome.report.failed();
    let waiting = failed.iter().filter(|answer| answer.at < outcome.event);
    // Those that were under way when the peers died may say how.
    let said = waiting.filter(|answer| answer.status == Some(503)).count();
    assert!(said >= 200 - CLIENTS, "{said} of {}", failed.len());
    let late = outcome.report.recovered_after(back + Duration::from_millis(50));
    assert!(late.is_zero(), "failures {late:?} after both peers were in use");
    assert!(back - outcome.event < Duration::from_secs(10), "{:?}", back - outcome.event);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_a_drain_and_upgrades_fail_no_request() {
    deploys::reloads().await.report.none_failed();
    deploys::drain().await.report.none_failed();
    deploys::upgrades().await.report.none_failed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_moves_is_followed_and_fails_no_request_where_the_old_address_is_left_late() {
    let (outcome, took) = names::moved(Leaves::Late).await;
    outcome.report.none_failed();
    assert!(took < Duration::from_secs(4), "{took:?} with a time to live of 1 s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_moves_as_its_peer_dies_fails_requests_only_until_it_is_asked_for_again() {
    let (outcome, took) = names::moved(Leaves::AtOnce).await;
    let failed = outcome.report.failed();
    let said = failed.iter().all(|answer| answer.status == Some(502));
    assert!(said && !failed.is_empty(), "{failed:?}");
    let late = outcome.report.recovered_after(outcome.event + took + Duration::from_millis(100));
    assert!(late.is_zero(), "failures {late:?} after the name was followed");
    assert!(took < Duration::from_secs(4), "{took:?} with a time to live of 1 s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_are_rotated_fail_no_request() {
    for way in [Connections::Fresh, Connections::Kept] {
        certificates::rotated(way).await.report.none_failed();
    }
}
