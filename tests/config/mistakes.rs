//! Every mistake with its exact path and remedy, and all of them at once.

use crate::files::{Folder, config, mistakes, run};

#[test]
fn what_is_required_is_missed() {
    run(&[
        ("listeners", "", &["listeners: missing; list at least one, as in `- address: 0.0.0.0:8080`"]),
        ("listeners", "[]", &["listeners: missing; list at least one, as in `- address: 0.0.0.0:8080`"]),
        ("listeners", "[{}]", &["listeners[0].address: missing; say where to listen, as in `0.0.0.0:8080`"]),
        ("apps", "", &["apps.source: missing; write `mongodb` or `file`"]),
        ("apps", "{ source: file }", &["apps.file.path: missing; name the apps file, as in `apps.yaml`"]),
        (
            "upstreams",
            "",
            &["upstreams: missing; name at least one, as in `rtms: { peers: [ { address: 10.0.0.11:8080 } ] }`"],
        ),
        (
            "upstreams",
            "{}",
            &["upstreams: missing; name at least one, as in `rtms: { peers: [ { address: 10.0.0.11:8080 } ] }`"],
        ),
        (
            "upstreams",
            "{ rtms: {} }",
            &["upstreams.rtms.peers: missing; list at least one, as in `- address: 10.0.0.11:8080`"],
        ),
        (
            "upstreams",
            "{ rtms: { peers: [ {} ] } }",
            &["upstreams.rtms.peers[0].address: missing; say where the peer is, as in `10.0.0.11:8080`"],
        ),
        (
            "admin",
            "{}",
            &["admin.address: missing; say where to listen, as in `127.0.0.1:9901`, or take the section out"],
        ),
        (
            "routes",
            "[ {} ]",
            &["routes[0].path: missing; write a path template, as in `/rtmsAPI/api/{version}/{appId}/{rest*}`"],
        ),
    ]);
    assert_eq!(mistakes("# nothing\n").len(), 3);
}

#[test]
fn unknown_keys_and_wrong_types_are_named_with_what_would_be_right() {
    run(&[
        ("auht", "{}", &["auht: unknown key; did you mean `auth`?"]),
        ("auth", "{ leway: 5s }", &["auth.leway: unknown key; did you mean `leeway`?"]),
        ("auth", "{ openApps: reject }", &["auth.openApps: unknown key; did you mean `open_apps`?"]),
        (
            "telemetry",
            "{ access_log: { colour: true } }",
            &[
                "telemetry.access_log.colour: unknown key; the keys here are `format`, `path`, `sample`, `sample_rejections`, `user` and `user_hash_key`",
            ],
        ),
        ("auth", "[]", &["auth: is a list; it must be a mapping"]),
        ("auth", "{ leeway: 5 }", &["auth.leeway: has no unit; write `250ms`, `5s`, `10m` or `1h`"]),
        (
            "auth",
            "{ leeway: soon }",
            &["auth.leeway: is no duration; write a whole number and a unit, as in `250ms`, `5s`, `10m` or `1h`"],
        ),
        ("auth", "{ rejection: html }", &["auth.rejection: unknown word; it must be `standard` or `sdk`"]),
        ("auth", "{ open_apps: false }", &["auth.open_apps: is a boolean; it must be `forward` or `reject`"]),
        ("auth", "{ forward_token: yes }", &["auth.forward_token: is a string; it must be true or false"]),
        (
            "auth",
            "{ encrypted_bodies: deny }",
            &["auth.encrypted_bodies: unknown word; it must be `allow` or `reject`"],
        ),
        (
            "limits",
            "{ max_token_bytes: 8KB }",
            &["limits.max_token_bytes: is no size; write bytes, or a whole number and a unit, as in `64KiB` or `1MiB`"],
        ),
        ("server", "{ threads: all }", &["server.threads: must be `auto` or a whole number"]),
        ("apps", "{ source: redis }", &["apps.source: unknown word; it must be `mongodb` or `file`"]),
        ("listeners", "127.0.0.1:80", &["listeners: is a string; it must be a list"]),
        ("listeners", "[ [ 127.0.0.1:80 ] ]", &["listeners[0]: is a list; it must be a mapping"]),
        (
            "routes",
            "[ { path: \"/{appId}\", auth: basic } ]",
            &["routes[0].auth: unknown word; it must be `jwt` or `none`"],
        ),
    ]);
}

#[test]
fn addresses_must_be_usable_side_by_side() {
    run(&[
        (
            "listeners",
            "[ { address: \"localhost:80\" } ]",
            &["listeners[0].address: `localhost:80` is no IP address with a port; write it as in `127.0.0.1:8080` or \
               `[::1]:8080`"],
        ),
        (
            "listeners",
            "[ { address: 127.0.0.1:80 }, { address: 127.0.0.1:81 }, { address: 127.0.0.1:80 } ]",
            &["listeners[2].address: can't be bound beside listeners[0]; give it another port"],
        ),
        (
            "listeners",
            "[ { address: 127.0.0.1:80 }, { address: 0.0.0.0:80 } ]",
            &["listeners[1].address: can't be bound beside listeners[0]; give it another port"],
        ),
        ("listeners", "[ { address: 127.0.0.1:0 }, { address: 127.0.0.1:0 } ]", &[]),
        (
            "admin",
            "{ address: 127.0.0.1:8080 }",
            &["listeners[0].address: can't be bound beside admin.address; give one of them another port"],
        ),
        (
            "admin",
            "{ address: \":9901\" }",
            &["admin.address: `:9901` is no IP address with a port; write it as in `127.0.0.1:8080` or `[::1]:8080`"],
        ),
    ]);
}

#[test]
fn upstreams_must_be_reachable_in_principle() {
    run(&[
        (
            "upstreams",
            "{ rtms: { peers: [ { address: 10.0.0.1:80 }, { address: \"http://10.0.0.2:80\" }, { address: rtms }, \
             { address: 10.0.0.1:80 }, { address: \"a:0\" }, { address: \"::1:80\" } ] } }",
            &[
                "upstreams.rtms.peers[1].address: `http://10.0.0.2:80` is a URL; write the host and the port alone, as in \
                 `rtms.internal:8080`",
                "upstreams.rtms.peers[2].address: `rtms` has no port; write it as in `rtms.internal:8080`",
                "upstreams.rtms.peers[3].address: is the same as peers[0]; list it once, with a weight",
                "upstreams.rtms.peers[4].address: `a:0` has no usable port; write a number from 1 to 65535 after the last \
                 colon",
                "upstreams.rtms.peers[5].address: `::1:80` is an IPv6 address without brackets; write it as in `[::1]:8080`",
            ],
        ),
        (
            "upstreams",
            "{ rtms: { peers: [ { address: 10.0.0.1:80, weight: 0 } ], retries: 11, timeouts: { read: 0s } } }",
            &[
                "upstreams.rtms.peers[0].weight: is out of range; write 1 to 65535, or take the peer out",
                "upstreams.rtms.retries: is over 10; write a small number, each retry loads a sick upstream more",
                "upstreams.rtms.timeouts.read: is no time at all; write more than `0s`",
            ],
        ),
        (
            "upstreams",
            "{ \"a b\": { peers: [ { address: 10.0.0.1:80 } ] } }",
            &["upstreams.\"a b\": can't name an upstream; use 1 to 64 letters, digits, `.`, `_` and `-`"],
        ),
        (
            "upstreams",
            "{ rtms: { peers: [ { address: \"a:1\" }, { address: \"b:1\" } ], tls: {} } }",
            &["upstreams.rtms.tls.sni: missing; the peers have different hosts: write the name in their certificates"],
        ),
        (
            "upstreams",
            "{ rtms: { peers: [ { address: \"a:1\" } ], tls: { sni: \"a b\" }, protocol: h2 } }",
            &[
                "upstreams.rtms.tls.sni: `a b` is no server name; write it as in `rtms.internal`",
                "upstreams.rtms.protocol: unknown word; it must be `http1` or `http2`",
            ],
        ),
    ]);
}

#[test]
fn numbers_and_times_must_make_sense() {
    run(&[
        (
            "auth",
            "{ leeway: 25h, max_lifetime: 5ms }",
            &[
                "auth.leeway: is over 24h, so that no token would ever expire; write some seconds",
                "auth.max_lifetime: is under 1s, so that no token could pass; write `0s` for no bound",
            ],
        ),
        (
            "limits",
            "{ max_header_bytes: 2MiB, max_token_bytes: 0, client_idle: 0s }",
            &[
                "limits.max_header_bytes: is out of range; write from 1 byte to `1MiB`",
                "limits.max_token_bytes: is out of range; write from 1 byte to `1MiB`",
                "limits.client_idle: is no time at all; write more than `0s`",
            ],
        ),
        (
            "limits",
            "{ requests_per_app: { burst: 5 }, rejections_per_address: { rate: 0, burst: 0 } }",
            &[
                "limits.requests_per_app.rate: missing; say how many a second, as in `1000`, or take the section out",
                "limits.rejections_per_address.rate: is out of range; write from `0.001` to `1000000` a second",
                "limits.rejections_per_address.burst: is out of range; write a number from 1 to 1000000",
            ],
        ),
        (
            "limits",
            "{ concurrent_requests: 0, connections: 1000001, connections_per_address: 1, tarpit: 11s }",
            &[
                "limits.concurrent_requests: is out of range; write a number from 1 to 1000000, or take the key out",
                "limits.connections: is out of range; write a number from 1 to 1000000, or take the key out",
                "limits.tarpit: is out of range; write `0s` to `10s`",
            ],
        ),
        (
            "telemetry",
            "{ access_log: { sample: 1.5, path: no/such/folder/a.log } }",
            &[
                "telemetry.access_log.sample: is no share; write a number from 0 to 1",
                "telemetry.access_log.path: `no/such/folder/a.log` lies in a folder that doesn't exist; create the folder",
            ],
        ),
        (
            "server",
            "{ threads: 0, upstream_pool: 0, pid_file: \".\", trusted_proxies: [ 10.0.0.0/8, proxy, 10.0.0.0/40 ] }",
            &[
                "server.threads: is out of range; write `auto` or a number from 1 to 1024",
                "server.upstream_pool: is out of range; write a number from 1 to 65536",
                "server.pid_file: `.` is no file name; name a file",
                "server.trusted_proxies[1]: `proxy` is no address or network; write it as in `10.0.0.0/8`",
                "server.trusted_proxies[2]: `10.0.0.0/40` is no address or network; write it as in `10.0.0.0/8`",
            ],
        ),
        (
            "server",
            "{ upgrade_socket: no/such/folder/a.sock }",
            &["server.upgrade_socket: `no/such/folder/a.sock` lies in a folder that doesn't exist; create the folder"],
        ),
        (
            "server",
            "{ upgrade_socket: /tmp/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
             aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa }",
            &["server.upgrade_socket: is too long for a socket; use a path of at most 107 bytes"],
        ),
        (
            "server",
            "{ upgrade_socket: /proc/version }",
            &["server.upgrade_socket: `/proc/version` is another kind of file; name one that a socket can be made at"],
        ),
        (
            "apps",
            "{ source: mongodb, max_staleness: 0s, reconcile_every: 0s, resync: { delay: 2h, min_interval: 2h } }",
            &[
                "apps.max_staleness: is no time at all; write more than `0s`",
                "apps.reconcile_every: is no time at all; write more than `0s`",
                "apps.resync.delay: is over 1h, for which no app would be current; write some seconds",
                "apps.resync.min_interval: is over 1h, for which no app would be current; write some seconds",
            ],
        ),
    ]);
}

#[test]
fn a_connection_string_is_refused_without_being_shown() {
    let remedy = "is no MongoDB connection string; write `mongodb://USER:PASSWORD@HOST:27017/?replicaSet=NAME` (or \
                  `mongodb+srv://..`), with special characters in user and password percent-encoded";
    for uri in ["localhost:27017", "mongodb://user:hunter2/@h/", "mongodb://u:hunter2@h:port/", "mongodb://"] {
        let lines = mistakes(&config(&[("apps", &format!("{{ source: mongodb, mongodb: {{ uri: \"{uri}\" }} }}"))]));
        assert_eq!(lines, [format!("apps.mongodb.uri: {remedy}")], "{uri}");
    }
    let unworkable = "{ source: mongodb, mongodb: { uri: \"mongodb://u:hunter2@h/?maxPoolSize=0\", database: admin } }";
    run(&[(
        "apps",
        unworkable,
        &[
            "apps.mongodb.uri: can't be connected with: cannot specify maxPoolSize=0; change that option",
            "apps.mongodb.database: `admin` has no change stream; write a name such as `rtms`",
        ],
    )]);
    let names = "{ source: mongodb, mongodb: { database: a/b, collection: \"$x\" } }";
    run(&[(
        "apps",
        names,
        &[
            "apps.mongodb.database: `a/b` can't name a database; write a name such as `rtms`",
            "apps.mongodb.collection: `$x` can't name a collection; write a name such as `apps`",
        ],
    )]);
}

#[test]
fn a_file_that_is_no_yaml_document_is_one_mistake_with_its_place() {
    let folder = Folder::new();
    let cases: [(&[u8], &str); 4] = [
        (b"a: 1\nlisteners: [\n", "line 2, column 12"),
        (b"a: 1\n---\nb: 2\n", "line 3, column 1"),
        (b"a: &x [*x]\n", "line 1, column 8"),
        (b"a: 1\nb: \xff\n", "line 2"),
    ];
    for (text, place) in cases {
        let file = folder.write("bad.yaml", text);
        let mistakes = rtms_gateway::config::load(&file, &crate::files::no_env).unwrap_err();
        let paths: Vec<&str> = mistakes.iter().map(|m| m.path.as_str()).collect();
        assert_eq!(paths, [place], "{mistakes}");
    }
    let flow = mistakes("listeners: [ { address: ${ADDRESS} } ]");
    assert!(
        flow[0].ends_with("; put quotes around values with braces, as in \"${VAR}\" or \"/{appId}\""),
        "{}",
        flow[0]
    );
    let absent = folder.path().join("absent.yaml");
    let mistakes = rtms_gateway::config::load(&absent, &crate::files::no_env).unwrap_err();
    assert_eq!(
        mistakes.to_string(),
        format!("{}: can't be read (entity not found); name a YAML file", absent.display())
    );
}

#[test]
fn all_mistakes_of_a_file_are_reported_at_once_in_its_order() {
    let yaml = "\
listeners:
  - address: 127.0.0.1:80
  - adress: 127.0.0.1:81
  - address: 5
apps: { source: file, max_staleness: 1 }
auth: { leeway: 0s, leeway: 1s, rejection: sdk2 }
profiles: { address: 127.0.0.1:9902 }
upstreams:
  rtms: { peers: [ { address: \"a:1\", weight: -1 }, { address: b } ], health_check: { path: x } }
  other: 7
routes:
  - { path: /x, upstream: other }
  - { path: \"/{appId}\", upstream: \"${UPSTREAM}\", metods: [GET] }
  - 5
  - { path: \"/{appId}/{rest*}\", upstream: nowhere }
limits: { head_read_timeout: soon, write_timeout: forever }
";
    let paths: Vec<String> = mistakes(yaml).iter().map(|line| line.split(": ").next().unwrap().to_owned()).collect();
    assert_eq!(
        paths,
        [
            "listeners[1].adress",
            "listeners[1].address",
            "listeners[2].address",
            "apps.max_staleness",
            "apps.file.path",
            "auth.leeway",
            "auth.rejection",
            "profiles.tokens",
            "upstreams.rtms.peers[0].weight",
            "upstreams.rtms.peers[1].address",
            "upstreams.rtms.health_check.path",
            "upstreams.other",
            "routes[0].path",
            "routes[1].upstream",
            "routes[1].metods",
            "routes[2]",
            "routes[3].upstream",
            "limits.head_read_timeout",
            "limits.write_timeout",
        ]
    );
}
