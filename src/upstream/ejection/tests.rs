use std::sync::Arc;
use std::time::Duration;

use super::super::cluster::tests::settings;
use super::*;

const S: Duration = Duration::from_secs(1);

fn cluster(peers: usize, max_ejected: u32) -> Arc<Cluster> {
    let addresses: Vec<String> = (1..=peers).map(|port| format!("127.0.0.1:{port}")).collect();
    let mut settings = settings(&addresses.iter().map(String::as_str).collect::<Vec<_>>());
    settings.ejection = Some(settings::Ejection { consecutive_failures: 3, time: 10 * S, max_ejected });
    Arc::new(Cluster::new(&settings, 1).unwrap())
}

fn record(cluster: &Cluster, peer: usize, signs: &str) {
    for sign in signs.chars() {
        let sign = match sign {
            '+' => Sign::Good,
            '-' => Sign::Bad,
            _ => Sign::None,
        };
        cluster.attempt_ended(peer, sign);
    }
}

fn out(cluster: &Cluster) -> Vec<usize> {
    let peers = cluster.peers().iter().enumerate();
    peers.filter(|(_, peer)| !peer.standing.is_in()).map(|(n, _)| n).collect()
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_eject_and_a_success_between_them_does_not() {
    let cluster = cluster(4, 50);
    record(&cluster, 0, "--+--+--+--");
    record(&cluster, 1, "--");
    assert_eq!(out(&cluster), [0; 0]);
    record(&cluster, 1, " - ");
    assert_eq!(out(&cluster), [1], "what says nothing is passed over");
    record(&cluster, 1, "------");
    record(&cluster, 2, "---");
    record(&cluster, 3, "------");
    assert_eq!(out(&cluster), [1, 2], "half of four");
}

#[tokio::test(start_paused = true)]
async fn it_comes_back_in_time_and_is_out_for_longer_if_it_fails_again() {
    let cluster = cluster(2, 50);
    let attending = Arc::clone(&cluster);
    tokio::spawn(async move { attending.attend().await });
    tokio::task::yield_now().await;
    for time in [10, 20, 30] {
        record(&cluster, 0, "---");
        assert_eq!(out(&cluster), [0]);
        tokio::time::sleep(time * Duration::from_millis(999)).await;
        assert_eq!(out(&cluster), [0], "{time} s aren't over");
        tokio::time::sleep(time * Duration::from_millis(2)).await;
        assert_eq!(out(&cluster), [0; 0]);
        record(&cluster, 0, "--");
        assert_eq!(out(&cluster), [0; 0], "it starts with a clean sheet");
        record(&cluster, 0, "+");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_one_that_can_be_used_stays() {
    let cluster = cluster(2, 99);
    record(&cluster, 0, "---");
    record(&cluster, 1, "---------");
    assert_eq!(out(&cluster), [0]);
    let cluster = self::cluster(2, 99);
    cluster.peers()[1].standing.take_out(Out::Unhealthy);
    record(&cluster, 0, "---");
    assert_eq!(out(&cluster), [1], "unhealthy, so that the other is the last");
    let cluster = self::cluster(1, 100);
    record(&cluster, 0, "---");
    assert_eq!(out(&cluster), [0]);
}
