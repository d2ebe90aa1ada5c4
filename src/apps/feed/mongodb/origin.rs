//! What tells one collection of one cluster from all others, without a word that could be secret.

use ::mongodb::options::{ConnectionString, HostInfo};

use super::uri;

/// Hosts (or the name that stands for them in the DNS), replica set, database and collection. A connection string that
/// differs from another in nothing but credentials and options has the same.
pub(in crate::apps::feed) fn origin(uri: &str, database: &str, collection: &str) -> String {
    let (hosts, set) = uri::parse(uri).map_or_else(|_| Default::default(), place);
    format!("{hosts:?} {set:?} {database:?} {collection:?}")
}

fn place(parsed: ConnectionString) -> (Vec<String>, String) {
    let mut hosts = match parsed.host_info {
        HostInfo::HostIdentifiers(hosts) => hosts.iter().map(|host| host.to_string().to_lowercase()).collect(),
        HostInfo::DnsRecord(name) => vec![format!("srv {}", name.to_lowercase())],
        _ => Vec::new(),
    };
    hosts.sort();
    (hosts, parsed.replica_set.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str) -> String {
        origin(uri, "rtms", "apps")
    }

    #[test]
    fn order_credentials_and_options_make_no_other_source() {
        let one = of("mongodb://a:1,b:2/?replicaSet=r");
        assert_eq!(one, of("mongodb://user:p%40ss@B:2,A:1/admin?replicaSet=r&w=majority&appName=x"));
        assert_eq!(of("mongodb://a:1/?compressors=zlib"), of("mongodb://a:1/"), "left out, as for the driver");
        assert!(!of("mongodb://user:hunter2@a/?replicaSet=r").contains("hunter2"));
        assert_eq!(of("mongodb+srv://x.example.net/"), of("mongodb+srv://u:p@X.example.net/db"));
    }

    #[test]
    fn hosts_set_database_and_collection_each_make_another() {
        let all = [
            of("mongodb://a:1/?replicaSet=r"),
            of("mongodb://a:2/?replicaSet=r"),
            of("mongodb://a:1,b:1/?replicaSet=r"),
            of("mongodb://a:1/?replicaSet=s"),
            of("mongodb://a:1/"),
            of("mongodb+srv://a.example.net/?replicaSet=r"),
            origin("mongodb://a:1/?replicaSet=r", "other", "apps"),
            origin("mongodb://a:1/?replicaSet=r", "rtms", "other"),
        ];
        for (n, one) in all.iter().enumerate() {
            assert!(all.iter().skip(n + 1).all(|other| other != one), "{one}");
        }
    }
}
