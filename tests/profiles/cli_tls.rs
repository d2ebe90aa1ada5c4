//! `rtms-gateway apps` over TLS: a private authority, and a certificate of the caller's.

use serde_json::json;

use super::cli::{Done, run};
use crate::support::gateway::profiles::WRITER;
use crate::support::gateway::{Gateway, gateway};
use crate::support::mongo::Mongo;
use crate::support::tls::Authority;
use crate::support::upstream::Upstream;

/// A gateway whose API asks for certificates, with all that a caller needs in files beside it, and what doesn't fit.
async fn guarded(upstream: &Upstream, mongo: &Mongo) -> Gateway {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let (server, operator) = (servers.identity("127.0.0.1"), clients.identity("operator"));
    let stranger = servers.identity("operator");
    let tls = json!({"cert": "server.pem", "key": "server.key", "client_auth": {"ca": "clients.pem"}});
    let files = [
        ("server.pem", server.cert.as_str()),
        ("server.key", &server.key),
        ("servers.pem", servers.pem()),
        ("clients.pem", clients.pem()),
        ("operator.pem", &operator.cert),
        ("operator.key", &operator.key),
        ("stranger.pem", &stranger.cert),
        ("stranger.key", &stranger.key),
        ("token", "a-token-that-may-write\n"),
    ];
    let builder = gateway(upstream).mongo(mongo).profiles().set("/profiles/tls", tls);
    files.into_iter().fold(builder, |builder, (name, text)| builder.file(name, text)).start().await
}

/// Runs `apps` with files of that gateway's and the token in one of them.
async fn apps(gateway: &Gateway, args: &str, files: &[(&str, &str)]) -> Done {
    let url = format!("https://{}", gateway.profiles());
    let at = |name: &str| gateway.dir().join(name).display().to_string();
    let token = at("token");
    let files: Vec<_> = files.iter().map(|(flag, file)| (*flag, at(file))).collect();
    let mut args: Vec<&str> = std::iter::once("apps").chain(args.split_whitespace()).collect();
    args.extend(["--url", &url, "--token-file", &token]);
    args.extend(files.iter().flat_map(|(flag, file)| [*flag, file.as_str()]));
    run(&args, &[], b"").await
}

#[tokio::test]
async fn it_speaks_tls_to_a_private_authority_and_shows_a_certificate() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = guarded(&upstream, &mongo).await;
    let known = [("--ca", "servers.pem"), ("--cert", "operator.pem"), ("--key", "operator.key")];
    let [ca, cert, key] = known;
    let stranger = [ca, ("--cert", "stranger.pem"), ("--key", "stranger.key")];
    for (files, code, words) in [
        (&[cert, key][..], 1, "a private authority is named by --ca"),
        (&[ca], 1, "perhaps it asks for another certificate"),
        (&stranger, 1, "perhaps it asks for another certificate"),
        (&[ca, cert, ("--key", "stranger.key")], 2, "does not belong to the certificate"),
        (&[ca, cert], 2, "--cert needs --key"),
        (&[("--ca", "token")], 2, "holds no certificate"),
        (&[("--ca", "absent")], 2, "absent"),
    ] {
        let refused = apps(&gateway, "list", files).await;
        assert_eq!((refused.code, refused.out.as_str()), (Some(code), ""), "{files:?}: {}", refused.err);
        assert!(refused.err.contains(words) && !refused.err.contains(WRITER), "{files:?}: {}", refused.err);
    }
    assert_eq!(apps(&gateway, "create TR1 --generate", &known).await.line().len(), 43);
}

#[tokio::test]
async fn plain_http_under_an_address_of_tls_is_guessed() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).profiles().file("token", WRITER).start().await;
    let done = apps(&gateway, "create TR1 --generate", &[]).await;
    assert_eq!((done.code, done.out.as_str()), (Some(1), ""), "{}", done.err);
    assert!(done.err.contains("perhaps it speaks plain `http`"), "{}", done.err);
}
