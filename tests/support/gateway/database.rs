//! A gateway whose apps stand in a database.

use serde_json::json;

use super::Builder;
use crate::support::mongo::Mongo;

impl Builder {
    /// Apps out of a database.
    pub fn mongo(self, mongo: &Mongo) -> Self {
        self.mongo_at(mongo.uri(), mongo)
    }

    /// Apps out of a database, spoken to by this connection string.
    pub fn mongo_at(self, uri: &str, mongo: &Mongo) -> Self {
        let place = json!({ "uri": "${TEST_URI}", "database": mongo.database(), "collection": "apps" });
        let resync = json!({ "delay": "100ms", "min_interval": "100ms" });
        let apps = json!({ "source": "mongodb", "mongodb": place, "resync": resync });
        self.set("/apps", apps).variable("TEST_URI", uri)
    }

    /// Sets an environment variable.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }
}
