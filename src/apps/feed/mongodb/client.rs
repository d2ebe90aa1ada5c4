//! The client: its settings, what it lets us observe, and the words of the connection string that stay inside.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::mongodb::bson::{Document, doc};
use ::mongodb::error::Error;
use ::mongodb::event::EventHandler;
use ::mongodb::event::command::CommandEvent;
use ::mongodb::event::sdam::SdamEvent;
use ::mongodb::options::ClientOptions;
use ::mongodb::{Client, Database};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::errors::Translator;
use super::{Failure, FailureKind, uri};

const APP_NAME: &str = "rtms-gateway";
const HEARTBEAT: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(3);
const SELECTION: Duration = Duration::from_secs(5);
/// The feed's: the stream, a load and a read at once.
pub(super) const POOL: u32 = 3;
/// Of whoever isn't the feed: writes that wait for a slow majority must not keep reads waiting.
const OWN_POOL: u32 = 32;

/// A connection string, kept to itself.
pub(crate) struct Connection {
    uri: Zeroizing<String>,
    secrets: Vec<Zeroizing<String>>,
}

impl Connection {
    /// Keeps `uri`. Dials nothing.
    pub(crate) fn new(uri: &str) -> Self {
        Self { uri: Zeroizing::new(uri.to_owned()), secrets: uri::secrets(uri) }
    }

    /// Parts of the connection string that no text may show.
    pub(super) fn secrets(&self) -> &[Zeroizing<String>] {
        &self.secrets
    }

    /// A client of its own for whoever isn't the feed. Dials nothing but, for `mongodb+srv`, the DNS.
    pub(crate) async fn open(&self) -> Result<Connected, Failure> {
        let observed = Arc::new(Observed::default());
        Ok(Connected { client: self.connect(&observed, OWN_POOL).await?, observed })
    }

    /// An error of that client in a line that holds no secret.
    pub(crate) fn readable(&self, connected: &Connected, error: &Error) -> String {
        Translator { secrets: &self.secrets, observed: Some(&connected.observed) }.failure(error).text
    }

    /// Makes the client. Dials nothing but, for `mongodb+srv`, the DNS.
    pub(super) async fn connect(&self, observed: &Arc<Observed>, pool: u32) -> Result<Client, Failure> {
        let string = uri::parse(&self.uri).map_err(|text| Failure::new(FailureKind::Transient, text))?;
        let translator = Translator { secrets: &self.secrets, observed: None };
        let options = ClientOptions::parse(string).await;
        let mut options = options.map_err(|e| translator.failure(&e))?;
        settle(&mut options, pool);
        let (commands, servers) = (Arc::clone(observed), Arc::clone(observed));
        options.command_event_handler = Some(EventHandler::callback(move |event| commands.command(&event)));
        options.sdam_event_handler = Some(EventHandler::callback(move |event| servers.servers(&event)));
        Client::with_options(options).map_err(|e| translator.failure(&e))
    }
}

/// Our settings, where the connection string has none.
fn settle(options: &mut ClientOptions, pool: u32) {
    options.app_name.get_or_insert_with(|| APP_NAME.to_owned());
    options.heartbeat_freq.get_or_insert(HEARTBEAT);
    options.connect_timeout.get_or_insert(CONNECT);
    options.server_selection_timeout.get_or_insert(SELECTION);
    options.max_pool_size.get_or_insert(pool);
}

/// A client, and what it lets us see.
#[derive(Clone)]
pub(crate) struct Connected {
    pub(crate) client: Client,
    pub(super) observed: Arc<Observed>,
}

impl Connected {
    /// Whether nothing more is to be had of the client: it must be made anew.
    pub(crate) fn is_spent(&self) -> bool {
        self.observed.is_spent()
    }
}

/// What the driver does and sees without being asked.
pub(super) struct Observed {
    /// A stream of ours is open: an `aggregate` now is the driver resuming it.
    streaming: AtomicBool,
    resumed: AtomicBool,
    /// No server is left that the driver would ask.
    deserted: watch::Sender<bool>,
    /// What the driver remembers of the cluster is none of this one's.
    misled: AtomicBool,
    found: Mutex<Option<ServerKind>>,
}

/// What a server said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ServerKind {
    /// A member of this replica set.
    Member(String),
    /// A router.
    Sharded,
    /// A server without change streams.
    Standalone,
    /// A member of a replica set that isn't initiated, or doesn't know its set yet.
    Uninitiated,
}

impl ServerKind {
    /// By the reply to `hello`.
    fn of(hello: &Document) -> Self {
        if let Ok(set) = hello.get_str("setName") {
            return Self::Member(set.to_owned());
        }
        if hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid") {
            return Self::Sharded;
        }
        if hello.get_bool("isreplicaset").unwrap_or(false) { Self::Uninitiated } else { Self::Standalone }
    }
}

impl Default for Observed {
    fn default() -> Self {
        Self {
            streaming: AtomicBool::new(false),
            resumed: AtomicBool::new(false),
            deserted: watch::channel(false).0,
            misled: AtomicBool::new(false),
            found: Mutex::new(None),
        }
    }
}

impl Observed {
    /// A stream is about to be opened, or is open.
    pub(super) fn streaming(&self, open: bool) {
        self.resumed.store(false, Ordering::Relaxed);
        self.streaming.store(open, Ordering::Relaxed);
    }

    /// Whether the driver resumed the stream since the last question.
    pub(super) fn take_resumed(&self) -> bool {
        self.resumed.swap(false, Ordering::Relaxed)
    }

    /// Whether nothing more is to be had of this client.
    pub(super) fn is_spent(&self) -> bool {
        self.is_deserted() || self.misled.load(Ordering::Relaxed)
    }

    /// The servers refuse the time that the driver sends along with everything. It has it from a cluster that was
    /// here before, and never forgets it.
    pub(super) fn misled(&self) {
        self.misled.store(true, Ordering::Relaxed);
    }

    /// Whether the driver has struck every server off its list, for being no member of the replica set asked for:
    /// this client never looks at them again.
    pub(super) fn is_deserted(&self) -> bool {
        *self.deserted.borrow()
    }

    /// Returns when that is so: the driver itself would look for a server until its patience ends.
    pub(super) async fn deserted(&self) {
        // The sender lives as long as `self`, so the wait can't fail.
        let _ = self.deserted.subscribe().wait_for(|deserted| *deserted).await;
    }

    /// What the server that answered last said of itself. The driver only says that it found nobody.
    pub(super) fn found(&self) -> Option<ServerKind> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn command(&self, event: &CommandEvent) {
        if let CommandEvent::Started(started) = event
            && started.command_name == "aggregate"
            && self.streaming.load(Ordering::Relaxed)
        {
            self.resumed.store(true, Ordering::Relaxed);
        }
    }

    fn servers(&self, event: &SdamEvent) {
        match event {
            SdamEvent::ServerHeartbeatSucceeded(heartbeat) => {
                let kind = ServerKind::of(&heartbeat.reply);
                *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(kind);
            }
            SdamEvent::TopologyDescriptionChanged(changed) => {
                self.deserted.send_replace(changed.new_description.servers().is_empty());
            }
            _ => {}
        }
    }
}

/// Asks the server what it is; `None`: it has no change streams.
pub(super) async fn kind_of_server(database: &Database) -> ::mongodb::error::Result<Option<String>> {
    let hello = database.run_command(doc! { "hello": 1 }).await?;
    Ok(match ServerKind::of(&hello) {
        ServerKind::Member(set) => Some(format!("replica set {set}")),
        ServerKind::Sharded => Some("sharded cluster".to_owned()),
        ServerKind::Uninitiated => Some("replica set that isn't initiated".to_owned()),
        ServerKind::Standalone => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn our_settings_fill_in_what_the_connection_string_leaves_open() {
        let mut options = ClientOptions::parse("mongodb://h/?replicaSet=r").await.unwrap();
        settle(&mut options, POOL);
        assert_eq!(options.app_name.as_deref(), Some("rtms-gateway"));
        assert_eq!(options.heartbeat_freq, Some(Duration::from_secs(5)));
        assert_eq!(options.connect_timeout, Some(Duration::from_secs(3)));
        assert_eq!(options.server_selection_timeout, Some(Duration::from_secs(5)));
        assert_eq!(options.max_pool_size, Some(3));
        let uri = "mongodb://h/?appName=x&heartbeatFrequencyMS=700&connectTimeoutMS=800\
                   &serverSelectionTimeoutMS=900&maxPoolSize=9";
        let mut options = ClientOptions::parse(uri).await.unwrap();
        settle(&mut options, POOL);
        assert_eq!(options.app_name.as_deref(), Some("x"));
        assert_eq!(options.heartbeat_freq, Some(Duration::from_millis(700)));
        assert_eq!(options.connect_timeout, Some(Duration::from_millis(800)));
        assert_eq!(options.server_selection_timeout, Some(Duration::from_millis(900)));
        assert_eq!(options.max_pool_size, Some(9));
    }

    #[test]
    fn a_server_is_known_by_its_hello() {
        let set = doc! { "setName": "rs0", "secondary": true };
        assert_eq!(ServerKind::of(&set), ServerKind::Member("rs0".into()));
        assert_eq!(ServerKind::of(&doc! { "msg": "isdbgrid" }), ServerKind::Sharded);
        assert_eq!(ServerKind::of(&doc! { "isreplicaset": true }), ServerKind::Uninitiated);
        assert_eq!(ServerKind::of(&doc! { "isWritablePrimary": true }), ServerKind::Standalone);
    }
}
