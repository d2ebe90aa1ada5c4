//! The words of this room, each set closed: metric labels, log fields and `/status` derive from them.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// All of them, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in metrics, logs and `/status`.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $word,)* } }
        }
    };
}

words! {
    /// Where the documents come from.
    SourceKind {
        /// A MongoDB collection and its change stream.
        MongoDb = "mongodb",
        /// A file.
        File = "file",
    }
}

words! {
    /// What happened to one document (`rtms_apps_changes_total`).
    Change {
        /// A new document.
        Insert = "insert",
        /// Some fields changed.
        Update = "update",
        /// The whole document changed.
        Replace = "replace",
        /// The document is gone.
        Delete = "delete",
        /// An event that changed no field that matters here.
        Unchanged = "unchanged",
        /// An event of a type this gateway doesn't know: ignored.
        Unknown = "unknown",
        /// A document that only the periodic comparison found different.
        Reconciled = "reconciled",
    }
}

words! {
    /// Why everything was read again (`rtms_apps_reloads_total`).
    ReloadCause {
        /// The first load.
        Start = "start",
        /// The apps file changed.
        FileChanged = "file_changed",
        /// The apps file can't be read or doesn't parse: refused, nothing changed.
        FileBroken = "file_broken",
        /// The server no longer has the events after our token, or refuses the token.
        HistoryLost = "history_lost",
        /// The collection or its database was dropped.
        Dropped = "dropped",
        /// The collection was renamed, or another one was renamed to its name.
        Renamed = "renamed",
        /// The server ended the stream for good.
        Invalidated = "invalidated",
        /// An event couldn't be read.
        Unreadable = "unreadable",
        /// The periodic comparison.
        Reconcile = "reconcile",
        /// A load that lost more than half of the apps: refused until a second one agrees.
        Refused = "refused",
        /// The source was out of reach at start: what the cache file holds was put in force.
        Cache = "cache",
        /// The cache file was wanted, but can't be used: nothing of it was put in force.
        CacheRefused = "cache_refused",
    }
}

words! {
    /// What is wrong for longer than a moment, while the last snapshot serves.
    Alarm {
        /// The server lost the history after our token; stands until the reload is in force.
        HistoryLost = "history_lost",
        /// A load lost more than half of the apps and isn't confirmed yet.
        LostHalf = "lost_half",
        /// The server refuses our credentials or rights.
        Unauthorised = "unauthorised",
        /// The server isn't a replica set, so it has no change stream.
        Standalone = "standalone",
        /// The apps file on disk can't be read or doesn't parse.
        FileBroken = "file_broken",
        /// What is in force came out of the cache file; stands until the source was reached.
        FromCache = "from_cache",
        /// The cache file can't be used, or not be written; stands until it is written.
        CacheBroken = "cache_broken",
    }
}

words! {
    /// What the feed is doing.
    Phase {
        /// Taking a position in the stream, before a load.
        Positioning = "positioning",
        /// Reading the whole collection or file.
        Loading = "loading",
        /// Putting in force what the cache file holds.
        Restoring = "restoring",
        /// Opening the stream where we left it.
        Opening = "opening",
        /// Following the stream, or watching the file.
        Following = "following",
        /// Waiting before the next attempt.
        Waiting = "waiting",
        /// Stopped.
        Stopped = "stopped",
    }
}
