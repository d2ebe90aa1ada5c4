use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;

use super::super::Tried;
use super::super::cluster::tests::settings;
use super::*;

/// What the resolver says from now on.
type Said = Arc<Mutex<Result<Vec<SocketAddr>, io::ErrorKind>>>;

fn at(ports: &[u16]) -> Vec<SocketAddr> {
    ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port))).collect()
}

/// A cluster with one named peer, which is followed by a resolver that gives `answer`, whatever it is when it is asked.
fn followed(answer: &Said) -> Arc<Cluster> {
    followed_while(answer, None)
}

/// The same, of answers that hold so long.
fn followed_while(answer: &Said, holds: Option<Duration>) -> Arc<Cluster> {
    let cluster = Arc::new(Cluster::new(&settings(&["rtms.test:80"]), 1).unwrap());
    let (following, answer) = (Arc::clone(&cluster), Arc::clone(answer));
    tokio::spawn(async move {
        let look_up = |name: String| {
            assert_eq!(name, "rtms.test:80");
            let said = answer.lock().unwrap().clone();
            async move { said.map(|addresses| Answer { addresses, holds }).map_err(io::Error::from) }
        };
        follow(&following, 0, look_up).await;
    });
    cluster
}

/// Where the next ten requests go.
fn goes_to(cluster: &Cluster) -> BTreeSet<u16> {
    let next = || cluster.choose(&mut Tried::default(), None, false);
    (0..10).filter_map(|_| next()?.target._address.as_inet().map(SocketAddr::port)).collect()
}

async fn pass(time: Duration) {
    tokio::time::sleep(time + Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn requests_follow_a_name_that_moves() {
    let answer = Said::new(Mutex::new(Ok(at(&[1]))));
    let cluster = followed(&answer);
    pass(Duration::ZERO).await;
    assert_eq!(goes_to(&cluster), [1].into());
    *answer.lock().unwrap() = Ok(at(&[2, 3]));
    pass(EVERY).await;
    assert_eq!(goes_to(&cluster), [2, 3].into(), "the next requests, to all of its addresses");
    *answer.lock().unwrap() = Ok(at(&[3]));
    pass(EVERY).await;
    assert_eq!(goes_to(&cluster), [3].into());
}

#[tokio::test(start_paused = true)]
async fn a_name_that_resolves_no_more_keeps_its_last_addresses_until_it_does_again() {
    let answer = Said::new(Mutex::new(Ok(at(&[1]))));
    let cluster = followed(&answer);
    pass(Duration::ZERO).await;
    for failure in [Err(io::ErrorKind::Other), Err(io::ErrorKind::NotFound), Ok(at(&[]))] {
        *answer.lock().unwrap() = failure;
        pass(3 * EVERY).await;
        assert_eq!(goes_to(&cluster), [1].into());
    }
    *answer.lock().unwrap() = Ok(at(&[2]));
    pass(EVERY).await;
    assert_eq!(goes_to(&cluster), [2].into(), "it is asked at the same pace after a failure");
}

#[tokio::test(start_paused = true)]
async fn a_name_without_any_address_yet_is_asked_every_second() {
    let answer = Said::new(Mutex::new(Err(io::ErrorKind::NotFound)));
    let cluster = followed(&answer);
    pass(3 * LEAST).await;
    assert_eq!(goes_to(&cluster), BTreeSet::new());
    *answer.lock().unwrap() = Ok(at(&[1]));
    pass(LEAST).await;
    assert_eq!(goes_to(&cluster), [1].into());
}

#[tokio::test(start_paused = true)]
async fn the_cluster_that_takes_anothers_place_has_its_addresses_and_knows_who_was_unhealthy() {
    let answer = Said::new(Mutex::new(Ok(at(&[1]))));
    let before = followed(&answer);
    pass(Duration::ZERO).await;
    before.peers()[0].found(Some("status 500".to_owned()));
    before.peers()[0].standing.take_out(Out::Unhealthy);
    let mut checked = settings(&["rtms.test:80"]);
    let (second, path) = (Duration::from_secs(1), "/".to_owned());
    checked.health_check = Some(crate::config::settings::HealthCheck {
        path,
        interval: second,
        timeout: second,
        healthy_after: 1,
        unhealthy_after: 1,
    });
    let next = Cluster::new(&checked, 2).unwrap();
    prepare(&next, &[before]).await;
    let peer = &next.peers()[0];
    assert_eq!(peer.addresses(), at(&[1]));
    assert!(peer.standing.is_out(Out::Unhealthy) && peer.fault().as_deref() == Some("status 500"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_holds_as_long_as_it_says_within_bounds() {
    let seconds = Duration::from_secs;
    for (holds, after) in [(0, LEAST), (2, seconds(2)), (3600, EVERY)] {
        let answer = Said::new(Mutex::new(Ok(at(&[1]))));
        let cluster = followed_while(&answer, Some(seconds(holds)));
        pass(Duration::ZERO).await;
        *answer.lock().unwrap() = Ok(at(&[2]));
        pass(after.saturating_sub(Duration::from_millis(10))).await;
        assert_eq!(goes_to(&cluster), [1].into(), "{holds} s");
        pass(Duration::from_millis(10)).await;
        assert_eq!(goes_to(&cluster), [2].into(), "{holds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn addresses_that_others_gave_are_kept_only_where_the_own_name_servers_give_none() {
    let answer = Said::new(Mutex::new(Ok(at(&[1]))));
    let before = followed(&answer);
    pass(Duration::ZERO).await;
    // Nobody answers there.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let asked = crate::config::settings::Upstream {
        resolver: vec![silent.local_addr().unwrap()],
        ..settings(&["rtms.test:80"])
    };
    let next = Cluster::new(&asked, 2).unwrap();
    prepare(&next, &[before]).await;
    assert_eq!(next.peers()[0].addresses(), at(&[1]));
    silent.set_nonblocking(true).unwrap();
    assert!(silent.recv(&mut [0; 512]).is_ok(), "it was asked");
}
