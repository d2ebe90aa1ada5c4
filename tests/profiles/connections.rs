//! Connections to the API: nobody holds all places.

use std::time::Duration;

use crate::support::client::Client;
use crate::support::gateway::gateway;
use crate::support::gateway::profiles::call;
use crate::support::poll;
use crate::support::upstream::Upstream;

#[tokio::test]
async fn an_address_that_opens_hundreds_of_connections_keeps_nobody_out() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).customer().profiles().start().await;
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.extend(Client::connect_from([127, 0, 0, 2], gateway.profiles()).await);
    }
    let served = tokio::time::timeout(Duration::from_secs(3), gateway.call(&call("GET", "apps"))).await;
    assert_eq!(served.expect("at once").status, 200);
    // Those that had a place and never asked for anything are let go before long.
    let gone = async {
        for client in &mut idle {
            assert!(client.closed().await);
        }
    };
    tokio::time::timeout(Duration::from_secs(15), gone).await.expect("long before 20 s");
    let mut again = Client::connect_from([127, 0, 0, 2], gateway.profiles()).await.expect("a connection");
    poll::bounded("an answer", async { assert_eq!(again.ask(&call("GET", "apps")).await.status, 200) }).await;
}
